"""`nadyn demo`: from shipped quantum-chemical data and a trained model to a photochemistry result."""

import itertools
from pathlib import Path
from typing import Annotated

import typer

MOLECULE = "hexafluorobutene"


def demo(
    folder: Annotated[
        Path | None,
        typer.Option(help="Folder for everything that is written; without it nadyn-demo, nadyn-demo-2, …"),
    ] = None,
    n: Annotated[int, typer.Option("--n", min=1, help="Number of trajectories.")] = 200,
    time_fs: Annotated[float, typer.Option(min=1.0, help="Length of the trajectories.")] = 100.0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Write into a folder with files.")] = False,
) -> None:
    """Photoisomerisation of hexafluoro-2-butene: learned surfaces, surface hopping, a report."""
    import shutil

    import yaml
    from rich.console import Console

    from nadyn import shipped
    from nadyn.analysis import report
    from nadyn.checks.errors import InputError
    from nadyn.cli.analyse import analyse
    from nadyn.cli.error_tables import error_table
    from nadyn.data import load_dataset
    from nadyn.dynamics.run.loop import run
    from nadyn.models import load_model
    from nadyn.training.evaluation import compare

    console = Console()
    folder = _new_folder() if folder is None else folder
    if not overwrite and _holds_something(folder):
        raise InputError(
            f"`--folder` must be a new or an empty folder, but {str(folder)!r} is not. Use --overwrite to "
            "replace what an earlier demo has written there."
        )
    folder.mkdir(parents=True, exist_ok=True)
    data, model_file = (shipped.path(f"{MOLECULE}/{MOLECULE}{suffix}") for suffix in (".h5", ".safetensors"))
    model_copy = folder / model_file.name
    shutil.copyfile(model_file, model_copy)

    console.rule("1  the data and the model")
    group = load_dataset(data).groups[0]
    console.print(
        f"{group.n_frames} geometries of 1,1,1,4,4,4-hexafluoro-2-butene with energies, forces and couplings "
        f"({group.theory}; {group.source})."
    )
    frames = range(0, group.n_frames, max(1, group.n_frames // 200))
    with console.status("comparing the model with its data"):
        comparison = compare(load_model(model_copy), group.select(frames))
    title = "model against a part of its data, training frames included"
    console.print(error_table(comparison, title=title, frames=frames))

    console.rule("2  the trajectories")
    configuration = {
        "model": model_copy.name,
        "initial": {"sample": "wigner", "n": n, "temperature_kelvin": 0, "state": 1},
        "method": "fssh",
        "dt_fs": 0.25,
        "time_fs": time_fs,
        "decoherence": {"name": "edc", "damps": "populations"},
        "rescale": "nac",
        "seed": 1,
        "output": "run.h5",
    }
    (folder / "run.yaml").write_text(yaml.safe_dump(configuration, sort_keys=False), encoding="utf-8")
    console.print(f"{n} trajectories start on the excited state from a Wigner sample of the lowest geometry.")
    result = run(folder / "run.yaml", overwrite=True)
    console.print(f"{result.n_finished} of {n} finished in {result.seconds:.0f} s.")

    console.rule("3  the result")
    analyse(folder / "run.h5", json_file=folder / "analysis.json", distance=None, angle=None, dihedral=None)
    with console.status("drawing"):
        page = report(folder / "run.h5", folder / "report.html")
    console.print(f"Open {page} in a browser. Everything is in {folder}/ : run.yaml, run.h5, analysis.json.")


def _new_folder() -> Path:
    names = itertools.chain(["nadyn-demo"], (f"nadyn-demo-{number}" for number in itertools.count(2)))
    return next(folder for folder in map(Path, names) if not _holds_something(folder))


def _holds_something(folder: Path) -> bool:
    return folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
