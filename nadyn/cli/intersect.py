"""`nadyn intersect`: the lowest crossings of two states, their cones, and where they lead."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from contextlib import ExitStack

    from rich.console import Console
    from rich.table import Table

    from nadyn.electronic.crossings import Landscape
    from nadyn.learning.crossing_starts import Starts


def intersect(
    model: Annotated[
        Path | None, typer.Argument(help="Model to search (.safetensors); or name a source by --source.")
    ] = None,
    source: Annotated[
        Path | None, typer.Option("--source", help="Label source to search (YAML), such as PySCF.")
    ] = None,
    run: Annotated[
        Path | None, typer.Option("--run", help="Trajectory file whose hops are where to begin.")
    ] = None,
    guess: Annotated[
        Path | None, typer.Option("--guess", help="Geometries to begin from (.xyz, or a dataset).")
    ] = None,
    states: Annotated[
        tuple[int, int] | None, typer.Option("--states", help="The two states, counted from 0.")
    ] = None,
    n: Annotated[int, typer.Option("--n", min=1, help="Most geometries to begin from.")] = 8,
    method: Annotated[
        str, typer.Option("--method", help="both, projection or penalty; both watch each other.")
    ] = "both",
    output: Annotated[
        Path, typer.Option("--output", help="Folder for geometries, numbers and pictures.")
    ] = Path("crossings"),
    store: Annotated[
        Path | None, typer.Option("--store", help="Label store of a source; without it in the output folder.")
    ] = None,
    processes: Annotated[int, typer.Option("--processes", min=1, help="Labels at a time.")] = 1,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of displacements of the starts.")] = 1,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is in the folder.")] = False,
) -> None:
    """Find the lowest points where two states meet, by gradient projection and by a penalty function.

    Writes crossings.xyz, crossings.json and a picture of each cone.
    """
    from contextlib import ExitStack

    from rich.console import Console

    from nadyn.checks.errors import InputError, RunError
    from nadyn.checks.output import check_folder_name, check_new_folder

    if (model is None) == (source is None):
        raise InputError("`nadyn intersect` must be given a model or a `--source`, one of them. Name one.")
    check_folder_name(output, "`--output`")
    check_new_folder(output)
    if store is not None:
        check_folder_name(store, "`--store`")
    if method not in ("both", "projection", "penalty"):
        raise InputError(f"`--method` must be both, projection or penalty, but is {method!r}.")
    if run is not None and guess is not None:
        raise InputError("`--run` and `--guess` must not both be given, but are. Keep one.")
    if (output / "crossings.json").exists() and not overwrite:
        raise InputError(
            f"folder {str(output)!r} must not hold crossings yet, but does. Try another --output, or "
            "--overwrite."
        )
    console = Console()
    with ExitStack() as opened:
        starts = _starts(run, guess, states, n)
        if model is not None:
            landscape, starts = _of_model(model, starts, n, seed)
        else:
            if starts is None:
                raise InputError(
                    "`--guess` or `--run` must say where to begin with a source, but neither is given. "
                    "Add one."
                )
            place = store or output / "labels"
            landscape = _of_source(source, starts, place, processes, opened)
        if starts.atomic_numbers != landscape.atomic_numbers:
            raise InputError(
                "the geometries to begin from must have the atoms of the model in their order, but have "
                "others."
            )
        pair = states or starts.states or (0, 1)
        _search(console, landscape, starts, pair, method=method, output=output, seed=seed)
    if not (output / "crossings.json").exists():
        raise RunError("nothing was found.")


def _starts(run: Path | None, guess: Path | None, states: tuple[int, int] | None, n: int) -> "Starts | None":
    from nadyn.learning.crossing_starts import starts_of_file, starts_of_run

    if run is not None:
        return starts_of_run(run, states, n)
    return None if guess is None else starts_of_file(guess, states or (0, 1), n)


def _of_model(path: Path, starts: "Starts | None", n: int, seed: int) -> "tuple[Landscape, Starts]":
    from nadyn.electronic.crossings import landscape_of_model
    from nadyn.learning.crossing_starts import starts_of_model
    from nadyn.models import load_model

    model = load_model(path)
    return landscape_of_model(model), starts or starts_of_model(model, n, seed=seed)


def _of_source(path: Path, starts: "Starts", store: Path, processes: int, opened: "ExitStack") -> "Landscape":
    from nadyn.electronic.crossings import landscape_of_source
    from nadyn.interfaces.sources import read_source
    from nadyn.learning.desk import Desk

    configuration = read_source(path)
    desk = opened.enter_context(
        Desk(configuration, starts.atomic_numbers, store, processes=processes, folder=path.parent)
    )
    return landscape_of_source(
        desk.source, label_many=lambda geometries: desk.label(geometries, tag="crossing")
    )


def _search(
    console: "Console",
    landscape: "Landscape",
    starts: "Starts",
    pair: tuple[int, int],
    *,
    method: str,
    output: Path,
    seed: int,
) -> None:
    import json

    from nadyn.analysis.plots_crossings import crossing_figure
    from nadyn.checks.counts import counted
    from nadyn.checks.errors import RunError
    from nadyn.checks.output import write_new
    from nadyn.cli.tables import print_table
    from nadyn.electronic.crossings import Wishes, find_crossings
    from nadyn.electronic.crossings.record import record_of, xyz_text

    with console.status("searching") as status:
        found = find_crossings(
            landscape,
            starts.positions,
            pair,
            Wishes(methods=method, seed=seed),
            report=lambda stage, left: status.update(f"{stage}: {left} searches go on"),
        )
    record = record_of(landscape, found, pair) | {"origins": list(starts.origins)}
    if not found.found:
        reasons = sorted({one.reason for one in found.given_up})
        raise RunError(
            f"none of {counted(len(starts.positions), 'search')} came to a crossing of states {pair[0]} and "
            f"{pair[1]}: {'; '.join(reasons[:3])}. Begin from other geometries."
        )
    output.mkdir(parents=True, exist_ok=True)
    text = xyz_text(landscape, record)
    if text:
        write_new(output / "crossings.xyz", text)
    for number, one in enumerate(record["crossings"]):
        if one["cone"] is not None:
            figure = crossing_figure(record, number)
            figure.savefig(output / f"crossing_{number}.png", dpi=160, facecolor="white")
    write_new(output / "crossings.json", json.dumps(record, indent=1))
    print_table(console, _table(record))
    asked = sum(record["n_points"].values())
    console.print(
        f"{counted(asked, 'geometry')} asked; written to {output}/", soft_wrap=True, highlight=False
    )


def _table(record: dict[str, object]) -> "Table":
    from rich.table import Table

    from nadyn.units import ELECTRONVOLT_PER_HARTREE

    first, second = record["names"]
    lowest = record["crossings"][0]["energy_hartree"]
    table = Table(title=f"crossings of {first} and {second}, the lowest first", title_justify="left")
    for name in ("", "energy (eV)", "gap (meV)", "found by", "cone", "loop"):
        table.add_column(name, overflow="fold")
    for number, one in enumerate(record["crossings"]):
        energy = (one["energy_hartree"] - lowest) * ELECTRONVOLT_PER_HARTREE
        cone, around = one["cone"], one["loop"]
        words = "none" if cone is None else f"{cone['words']}, tilt {cone['tilt']:.2f}"
        words += ", saddle of the seam" if one["is_saddle"] else ""
        sign = {1: "keeps its sign", -1: "changes its sign"}.get(
            None if around is None else around["sign"], "?"
        )
        table.add_row(
            str(number),
            f"{energy:.3f}",
            f"{1e3 * one['gap_ev']:.3f}",
            " and ".join(one["methods"]),
            words,
            sign,
        )
    return table
