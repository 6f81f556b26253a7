"""The folder of a swarm: one large run as many trajectory files of a fixed width, and what it is."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nadyn.checks.counts import counted
from nadyn.checks.errors import InputError
from nadyn.checks.json_text import parse_json
from nadyn.checks.output import telling_why
from nadyn.trajectory.reader import open_run

PLAN = "swarm.json"
FORMAT, VERSION = "nadyn-swarm", 1
# What a run file that leaves them out says; written out later, nothing has changed.
_DEFAULTS = {"seed": 1}


@dataclass(frozen=True)
class Swarm:
    """A swarm: `n` trajectories in shards of `width`, each an ordinary trajectory file.

    Attributes:
        folder: Where they are.
        n: Number of trajectories.
        width: Trajectories in a shard; the last one may have less. It is fixed when a swarm begins.
        run: The run file, its paths absolute, without the number of trajectories and the output.
        beside: Where paths of a label source begin, which only the source itself knows: the folder of the
            run file.
    """

    folder: Path
    n: int
    width: int
    run: Mapping[str, object]
    beside: Path = Path()

    @property
    def n_shards(self) -> int:
        """Number of shards."""
        return -(-self.n // self.width)

    @property
    def paths(self) -> list[Path]:
        """The shards in the order of their trajectories, there or not."""
        return [self.path(shard) for shard in range(self.n_shards)]

    def path(self, shard: int) -> Path:
        """Return the trajectory file of a shard, whose name has its number."""
        return self.folder / f"shard_{shard:06d}.h5"

    def rows(self, shard: int) -> tuple[int, int]:
        """Return the number of the first trajectory of a shard, and how many there are.

        Raises:
            InputError: There is no such shard.
        """
        if not 0 <= shard < self.n_shards:
            raise InputError(
                f"`--shard` must be from 0 to {self.n_shards - 1} for {counted(self.n, 'trajectory')} in "
                f"shards of {self.width}, but is {shard}. Try an array of jobs 0-{self.n_shards - 1}."
            )
        first = shard * self.width
        return first, min(self.width, self.n - first)

    def is_complete(self, shard: int) -> bool:
        """Return whether a shard has come to its end and was closed."""
        path = self.path(shard)
        return path.exists() and bool(open_run(path, verified=False).timings)

    def complete(self) -> list[Path]:
        """Return all shards of a swarm that is complete.

        Raises:
            InputError: Some are missing or under way.
        """
        left = [shard for shard in range(self.n_shards) if not self.is_complete(shard)]
        if left:
            raise InputError(
                f"swarm {str(self.folder)!r} must be complete, but {len(left)} of "
                f"{counted(self.n_shards, 'shard')} are not, the first of them {left[0]}. Go on with it: "
                "`nadyn swarm` with the same run file."
            )
        return self.paths


def is_swarm(folder: Path) -> bool:
    """Return whether a folder holds a swarm."""
    return (folder / PLAN).is_file()


def open_swarm(folder: Path) -> Swarm:
    """Return the swarm in a folder.

    Raises:
        InputError: There is none, or its plan was damaged.
    """
    path = folder / PLAN
    if not path.is_file():
        raise InputError(
            f"folder {str(folder)!r} must hold a swarm, but has no {PLAN}. Try the folder that `nadyn swarm` "
            "wrote."
        )
    try:
        found = parse_json(path.read_text(encoding="utf-8"))
        if found["format"] != FORMAT or found["version"] != VERSION:
            raise InputError(
                f"{str(path)!r} must have format {FORMAT} version {VERSION}, but has {found['format']} "
                f"version {found['version']}. Try the nadyn that wrote it, or a newer one."
            )
        beside = Path(str(found.get("beside", "")))
        return Swarm(folder, int(found["n"]), int(found["width"]), dict(found["run"]), beside)
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{str(path)!r} must be the plan of a swarm, but cannot be read as one. Write it anew by "
            "`nadyn swarm` with the same run file after removing it; the shards stay."
        ) from error


def begin_swarm(swarm: Swarm) -> None:
    """Write the plan of a swarm into its folder, or see that the one there is the same.

    Many may do this at once: the first one writes, entire or not at all.

    Raises:
        InputError: The folder holds another swarm.
        RunError: The disk is full or refuses to be written.
    """
    path = swarm.folder / PLAN
    plan = {"format": FORMAT, "version": VERSION, "n": swarm.n, "width": swarm.width, "run": dict(swarm.run)}
    plan["beside"] = str(swarm.beside.absolute())
    temporary = path.with_name(f".{PLAN}.{os.uname().nodename}.{os.getpid()}")
    with telling_why(path):
        if not path.exists():
            try:
                temporary.write_text(json.dumps(plan, indent=1) + "\n", encoding="utf-8")
                _put(temporary, path)
            finally:
                temporary.unlink(missing_ok=True)
    there = open_swarm(swarm.folder)
    for name in ("n", "width"):
        if getattr(there, name) != getattr(swarm, name):
            raise InputError(
                f"`--{name}` must be {getattr(there, name)}, as it was when {str(swarm.folder)!r} was begun, "
                f"but is {getattr(swarm, name)}. Change it, or choose another `--output`."
            )
    now, before = json.loads(json.dumps(dict(swarm.run))), there.run
    one, two = {**_DEFAULTS, **now}, {**_DEFAULTS, **before}
    changed = sorted(key for key in one.keys() | two.keys() if one.get(key) != two.get(key))
    if changed:
        raise InputError(
            f"`{changed[0]}` must be as it was when {str(swarm.folder)!r} was begun, "
            f"{_in_words(before, changed[0])}, but is {_in_words(now, changed[0])}. Change it back, or "
            "choose another `--output`."
        )


def _in_words(content: Mapping[str, object], key: str) -> str:
    return repr(content[key]) if key in content else "left out"


def _put(temporary: Path, path: Path) -> None:
    """Move a file to its place unless somebody else has put one there."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass
    except OSError:
        # A disk without links: who comes last wins, with the same content or a refusal that follows.
        os.replace(temporary, path)
