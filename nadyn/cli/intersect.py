"""`nadyn intersect`: the lowest crossings of two states, their cones, and where they lead."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from contextlib import ExitStack

    from nadyn.electronic.crossings import Landscape
    from nadyn.learning.crossing_starts import Starts


def intersect(
    model: Annotated[
        Path | None, typer.Argument(help="Model to search (.safetensors); or name a source by --source.")
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option(
            "--source",
            help="Label source to search (YAML), such as PySCF; beside a model both by turns.",
        ),
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
    data: Annotated[
        list[Path] | None,
        typer.Option("--data", help="Beside both: what the model was trained on; may be repeated."),
    ] = None,
    labels: Annotated[
        int, typer.Option("--labels", min=1, help="Beside both: most labels to ask for, over all calls.")
    ] = 100,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Beside both: most rounds.")] = 8,
    lowest: Annotated[
        int,
        typer.Option("--lowest", min=1, help="Beside both: crossings that must agree, the lowest first."),
    ] = 1,
    config: Annotated[
        Path | None,
        typer.Option("--config", help="Beside both: training file; without it the settings of the model."),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Beside both: go on where an earlier call ended."),
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is in the folder.")] = False,
) -> None:
    """Find the lowest points where two states meet, by gradient projection and by a penalty function.

    Writes crossings.xyz, crossings.json and a picture of each cone. With a model and a source the model is
    searched, the source labels what was found and is followed to its own crossing, and the model learns that,
    in rounds until both have the same.
    """
    from contextlib import ExitStack

    from rich.console import Console

    from nadyn.checks.errors import InputError, RunError
    from nadyn.checks.output import check_folder_name, check_new_folder
    from nadyn.cli.crossing_search import search_and_write
    from nadyn.cli.intersect_in_turn import check_folder_in_turn, intersect_in_turn
    from nadyn.learning.crossing_turns import Terms

    if model is None and source is None:
        raise InputError("`nadyn intersect` must be given a model or a `--source`, but is given neither.")
    in_turn = model is not None and source is not None
    if in_turn != bool(data):
        raise InputError(
            "`--data`, what the model was trained on, must be given beside a model and a `--source`, and "
            f"only there, but {'is missing' if in_turn else 'is not'}. Give all three, or one without data."
        )
    check_folder_name(output, "`--output`")
    check_new_folder(output)
    if store is not None:
        check_folder_name(store, "`--store`")
    if method not in ("both", "projection", "penalty"):
        raise InputError(f"`--method` must be both, projection or penalty, but is {method!r}.")
    if run is not None and guess is not None:
        raise InputError("`--run` and `--guess` must not both be given, but are. Keep one.")
    if in_turn:
        check_folder_in_turn(output, resume=resume)
    elif (output / "crossings.json").exists() and not overwrite:
        raise InputError(
            f"folder {str(output)!r} must not hold crossings yet, but does. Try another --output, or "
            "--overwrite."
        )
    console = Console()
    with ExitStack() as opened:
        starts = _starts(run, guess, states, n)
        if in_turn:
            intersect_in_turn(
                console,
                model,
                source,
                data,
                starts,
                states,
                terms=Terms(labels=labels, rounds=rounds, lowest=lowest, seed=seed),
                n=n,
                config=config,
                output=output,
                store=store,
                processes=processes,
            )
            return
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
        search_and_write(console, landscape, starts, pair, method=method, output=output, seed=seed)
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
