"""`nadyn demo`: from shipped data and a trained model to a photochemistry result beside its reference."""

import itertools
from pathlib import Path
from typing import Annotated

import typer

from nadyn.checks.counts import counted

MODEL = "ammonia_trajectories.safetensors"
SEAM = "ammonia_near_intersection.h5"
# Frames of that file which the training did not see.
HELD_OUT = range(100)
REFERENCE = "analytic_surfaces.json"


def demo(
    folder: Annotated[
        Path | None,
        typer.Option(help="Folder for everything that is written; without it nadyn-demo, nadyn-demo-2, …"),
    ] = None,
    n: Annotated[int, typer.Option("--n", min=1, help="Number of trajectories.")] = 1000,
    time_fs: Annotated[float, typer.Option(min=1.0, help="Length of the trajectories.")] = 60.0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Write into a folder with files.")] = False,
) -> None:
    """Photodissociation of ammonia: learned surfaces, surface hopping, products, a report.

    Hops by fewest switches without a correction for decoherence (`decoherence: none`), as in the reference.
    """
    import shutil

    import yaml
    from rich.console import Console

    from nadyn import shipped
    from nadyn.analysis import report
    from nadyn.checks.errors import InputError
    from nadyn.checks.output import check_folder_name
    from nadyn.cli.analyse import analyse
    from nadyn.cli.error_tables import error_table
    from nadyn.cli.tables import print_table
    from nadyn.data import load_dataset
    from nadyn.dynamics.run.loop import run
    from nadyn.models import load_model
    from nadyn.training.evaluation import compare

    console = Console()
    if folder is not None:
        check_folder_name(folder, "`--folder`")
    folder = _new_folder() if folder is None else folder
    if not overwrite and _holds_something(folder):
        raise InputError(
            f"`--folder` must be a new or an empty folder, but {str(folder)!r} is not. Use --overwrite to "
            "replace what an earlier demo has written there."
        )
    folder.mkdir(parents=True, exist_ok=True)
    for name in (MODEL, REFERENCE):
        shutil.copyfile(shipped.path(f"ammonia/{name}"), folder / name)

    console.rule("1  the data and the model")
    group = load_dataset(shipped.path(f"ammonia/{SEAM}")).groups[0]
    console.print(
        "Ammonia in its two lowest states. The surfaces cross where the molecule is flat and one "
        f"N-H bond is long; their coupling changes sign there ({group.theory}; {group.source}).",
        soft_wrap=True,
    )
    with console.status("comparing the model with its data"):
        comparison = compare(load_model(folder / MODEL), group.select(HELD_OUT))
    # The table says how many frames there are.
    title = "near the crossing, unseen in training"
    print_table(console, error_table(comparison, title=title, frames=HELD_OUT))

    console.rule("2  the trajectories")
    configuration = run_file(n=n, time_fs=time_fs)
    (folder / "run.yaml").write_text(yaml.safe_dump(configuration, sort_keys=False), encoding="utf-8")
    console.print(
        f"{counted(n, 'trajectory')} from the excited state, in a Wigner sample of the ground state, by "
        "fewest switches without a correction for decoherence (`decoherence: none`), as in the reference.",
        soft_wrap=True,
    )
    result = run(folder / "run.yaml", overwrite=True)
    console.print(f"{result.n_finished} of {n} came to a result in {result.seconds:.0f} s.")

    console.rule("3  the result")
    analyse([folder / "run.h5"], json_file=folder / "analysis.json", distance=None, angle=None, dihedral=None)
    with console.status("drawing"):
        page = report(folder / "run.h5", folder / "report.html", beside=folder / REFERENCE)
    console.print(
        f"Open {page} in a browser: populations and products stand beside those of the analytic surfaces "
        f"that made the data. Everything is in {folder}/ : run.yaml, run.h5, analysis.json.",
        soft_wrap=True,
    )


def run_file(*, n: int, time_fs: float) -> dict[str, object]:
    """Return the run file of the demo."""
    return {
        "model": MODEL,
        "initial": {"sample": "wigner", "n": n, "temperature_kelvin": 0, "state": 1},
        "method": "fssh",
        "dt_fs": 0.2,
        "time_fs": time_fs,
        "decoherence": "none",
        "rescale": "nac",
        "seed": 1,
        "output": "run.h5",
    }


def _new_folder() -> Path:
    names = itertools.chain(["nadyn-demo"], (f"nadyn-demo-{number}" for number in itertools.count(2)))
    return next(folder for folder in map(Path, names) if not _holds_something(folder))


def _holds_something(folder: Path) -> bool:
    return folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
