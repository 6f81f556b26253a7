"""What a swarm is going to do: its folder, its shards, and how large it will be."""

import shutil
import tempfile
import warnings
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from nadyn.checks.configuration import parse_configuration, read_content
from nadyn.checks.counts import counted
from nadyn.checks.errors import InputError, RunError
from nadyn.checks.forecast import size_in_words
from nadyn.checks.output import check_folder, check_folder_name
from nadyn.dynamics.run.opening import open_source
from nadyn.dynamics.run.prepare import check_method, create_run
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.electronic.direct.model import DirectModel
from nadyn.electronic.threads import threads
from nadyn.interfaces.direct_run import desk_of
from nadyn.trajectory.creation import bytes_per_frame
from nadyn.trajectory.swarm_folder import Swarm, begin_swarm, is_swarm

# Trajectories whose file is made to learn its size.
_TRIED = 64


def plan_swarm(run_file: Path, *, n: int | None, width: int, folder: Path | None) -> Swarm:
    """Return the swarm of a run file; nothing is written.

    Args:
        run_file: The run file.
        n: Number of trajectories, instead of that in the run file.
        width: Trajectories in a shard.
        folder: Where it is to be; by default a folder named after `output` in the run file.

    Raises:
        InputError: The run file cannot be used, or does not say how many trajectories there are.
    """
    content = read_content(run_file)
    if n is not None and isinstance(content, dict) and isinstance(content.get("initial"), dict):
        content = {**content, "initial": {**content["initial"], "n": n}}
    written = parse_configuration(content, RunConfiguration, where=str(run_file))
    config = written.beside(run_file.absolute().parent)
    if config.initial.first is not None:
        raise InputError(
            "`initial.first` must be left out of the run file of a swarm, which numbers its shards itself, "
            f"but is {config.initial.first}. Remove it."
        )
    n = config.initial.n
    if n is None:
        raise InputError(
            "`--n` must be the number of trajectories, where the run file has no `initial.n`, but is missing."
        )
    output = Path(config.output)
    folder = output.with_name(f"{output.stem}_swarm") if folder is None else folder.absolute()
    check_folder_name(folder, "`--output`")
    content = config.model_dump(mode="json", exclude_unset=True, exclude={"output"})
    content["initial"].pop("n", None)
    return Swarm(folder, n, min(width, n), content, run_file.absolute().parent)


def make_folder(swarm: Swarm) -> None:
    """Make the folder of a swarm, or see that it holds the same one, and that it can be written to.

    Raises:
        InputError: It holds another swarm or other files, or takes no files.
        RunError: The disk is full or refuses to be written.
    """
    if swarm.folder.exists() and not is_swarm(swarm.folder):
        if not swarm.folder.is_dir() or any(one for one in swarm.folder.iterdir() if one.name[0] != "."):
            raise InputError(
                f"`--output` must be a new folder or one of a swarm, but {str(swarm.folder)!r} is neither. "
                "Choose another one."
            )
    check_folder(swarm.folder)
    swarm.folder.mkdir(exist_ok=True)
    check_folder(swarm.folder / "shard")
    begin_swarm(swarm)


def shard_config(swarm: Swarm, shard: int) -> dict[str, object]:
    """Return the run file of a shard.

    Raises:
        InputError: There is no such shard.
    """
    first, n = swarm.rows(shard)
    initial = {**swarm.run["initial"], "n": n, "first": first}
    content = {**swarm.run, "initial": initial, "output": str(swarm.path(shard))}
    if isotopes := content.get("isotopes"):
        # JSON, which the plan is kept in, has no numbers as keys.
        content["isotopes"] = {int(key) if str(key).isdigit() else key: n for key, n in isotopes.items()}
    return content


def bytes_of_swarm(swarm: Swarm) -> float | None:
    """Return about how large all shards will be, by making the file of a few trajectories elsewhere; None
    for direct dynamics, where that would ask the label source.

    It refuses what the shards would refuse.

    Raises:
        InputError: The run file, the model or the starts cannot be used.
    """
    last = swarm.n - min(_TRIED, swarm.n)
    content = shard_config(swarm, 0)
    content["initial"] = {**content["initial"], "n": swarm.n - last, "first": last}
    with tempfile.TemporaryDirectory() as elsewhere, ExitStack() as opened, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        config = parse_configuration(
            {**content, "output": str(Path(elsewhere) / "a.h5")}, RunConfiguration, where="run"
        )
        source = open_source(config, None, swarm.beside, desk_of, opened)
        check_method(config, source.model)
        if isinstance(source.model, DirectModel):
            return None
        n_frames = config.n_steps // config.frame_interval + 1
        short = config.model_copy(update={"time_fs": config.dt_fs, "write_every": 1})
        with threads(1):
            _, _, writer, _ = create_run(short, source, written=short, overwrite=False)
        writer.release()
        a_frame = bytes_per_frame(writer.path)
        at_start = writer.path.stat().st_size - 2 * a_frame
        per_trajectory = (at_start + n_frames * a_frame) / (swarm.n - last)
    return per_trajectory * swarm.n


def check_room(swarm: Swarm, size: float) -> None:
    """Refuse a swarm for which the disk has no room.

    Raises:
        RunError: It has not.
    """
    there = sum(path.stat().st_size for path in swarm.paths if path.exists())
    parent = swarm.folder if swarm.folder.exists() else swarm.folder.parent
    free = shutil.disk_usage(parent).free
    if free < size - there:
        raise RunError(
            f"folder {str(swarm.folder)!r} must have room for {size_in_words(size - there)} more, but has "
            f"{size_in_words(free)}. Make room, choose another `--output`, or write fewer frames: "
            "`write_every`."
        )


def in_words(swarm: Swarm, size: float | None) -> str:
    """Return what a swarm is going to be, in a sentence."""
    about = "" if size is None else f", about {size_in_words(size)}"
    return (
        f"{counted(swarm.n, 'trajectory')} in {counted(swarm.n_shards, 'shard')} of {swarm.width}{about}, in "
        f"{swarm.folder}"
    )


def numbers_of(result: object) -> Mapping[str, object]:
    """Return what the process of a shard tells of its run."""
    names = ("n_trajectories", "n_finished", "n_stopped", "n_hops", "steps", "seconds")
    return {name: getattr(result, name) for name in names}
