"""`nadyn check`: what a run, training or learn file would do, without doing it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nadyn.cli.convert import Charge, Multiplicities, OneMultiplicity, given_multiplicities

if TYPE_CHECKING:
    from nadyn.checks.forecast import Forecast


def check(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE [MORE …]", help="Run files, training files or learn files (YAML)."),
    ],
    data: Annotated[
        list[Path] | None,
        typer.Option("--data", help="Dataset that a training file is for; repeatable, joined."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Of run files: as if they were to go on.")] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Of run files: as if an output might be replaced.")
    ] = False,
    trial: Annotated[
        bool, typer.Option("--trial/--no-trial", help="Of learn files: label one geometry to time it.")
    ] = True,
    charge: Charge = None,
    multiplicities: Multiplicities = None,
    multiplicity: OneMultiplicity = None,
) -> None:
    """Say what files would do: steps, memory, output, time by a short trial, and everything doubtful.

    Nothing is written. Exit code 0 also where something is doubtful; what would be refused is refused with
    the same sentence and exit code.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from nadyn.checks.configuration import read_content
    from nadyn.cli.tables import print_table

    console = Console()
    for file in files:
        kind = kind_of_settings(read_content(file))
        with Console(stderr=True).status(f"trying {file}"):
            if kind == "run":
                found = _run(file, resume, overwrite)
            elif kind == "learn":
                found = _learn(file, trial)
            else:
                found = _train(file, data or [], charge, given_multiplicities(multiplicities), multiplicity)
        console.print(f"{kind} file {file}", style="italic", highlight=False, markup=False, soft_wrap=True)
        table = Table(show_header=False)
        for name, value in found.facts:
            table.add_row(Text(name), Text(value))
        print_table(console, table)
        for sentence in found.doubts:
            console.print(f"doubtful: {sentence}", highlight=False, markup=False, soft_wrap=True)
        if not found.doubts:
            console.print("nothing is doubtful", highlight=False, markup=False)


def kind_of_settings(content: object) -> str:
    """Return which kind of file has these keys: run, train or learn; the one that knows most of them."""
    from nadyn.dynamics.run_file import RunConfiguration
    from nadyn.learning.learn_file import LearnConfiguration
    from nadyn.training.configuration import TrainingConfiguration

    kinds = {"train": TrainingConfiguration, "run": RunConfiguration, "learn": LearnConfiguration}
    keys = set(content) if isinstance(content, dict) else set()
    if keys & {"initial", "time_fs", "dt_fs"}:
        return "run"
    if keys & {"source", "molecule", "budget"}:
        return "learn"
    known = {name: len(keys & set(section.model_fields)) for name, section in kinds.items()}
    return max(known, key=lambda name: known[name])


def _run(file: Path, resume: bool, overwrite: bool) -> "Forecast":
    from nadyn.dynamics.run.forecast import forecast_run
    from nadyn.interfaces.direct_run import desk_of

    return forecast_run(file, sources=desk_of, resume=resume, overwrite=overwrite)


def _train(
    file: Path,
    data: list[Path],
    charge: int | None,
    multiplicities: tuple[int, ...] | None,
    multiplicity: int | None,
) -> "Forecast":
    from nadyn.checks.configuration import read_configuration
    from nadyn.checks.forecast import Forecast
    from nadyn.data import load_dataset
    from nadyn.data.label_checks.table import doubts
    from nadyn.data.one_spin import with_one_multiplicity
    from nadyn.training.configuration import TrainingConfiguration
    from nadyn.training.forecast import forecast_training

    configuration = read_configuration(file, TrainingConfiguration)
    if not data:
        return Forecast(
            (("keys", "all are known and allowed"),),
            ("the data should be named, but are not: what they make of it is seen with --data DATA.h5.",),
        )
    dataset = load_dataset(
        data[0], *data[1:], mix=configuration.mix, charge=charge, multiplicities=multiplicities
    )
    if multiplicity is not None:
        dataset = with_one_multiplicity(dataset, multiplicity)
    found = forecast_training(configuration, dataset)
    about_data = [
        f"group {group.name!r}: {one.sentence}" for group in dataset.groups for one in doubts(group)
    ]
    return Forecast(found.facts, (*about_data, *found.doubts))


def _learn(file: Path, trial: bool) -> "Forecast":
    from nadyn.checks.configuration import read_configuration
    from nadyn.learning.forecast import forecast_learning
    from nadyn.learning.learn_file import LearnConfiguration

    return forecast_learning(read_configuration(file, LearnConfiguration), file.parent, trial=trial)
