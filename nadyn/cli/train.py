"""`nadyn train`: from a dataset to a model file."""

from pathlib import Path
from typing import Annotated

import typer

from nadyn.checks.counts import counted
from nadyn.cli.convert import Charge, Multiplicities, OneMultiplicity, given_multiplicities


def train(
    data: Annotated[
        list[Path],
        typer.Argument(metavar="DATA.h5 [MORE.h5 …]", help="Datasets; groups of one name are joined."),
    ],
    output: Annotated[Path, typer.Option("--output", help="Model file to write (.safetensors).")],
    config: Annotated[
        Path | None, typer.Option("--config", help="Training file (YAML); every key has a default.")
    ] = None,
    begin_from: Annotated[
        list[Path] | None,
        typer.Option("--from", help="Model to begin from: its matrix is learned where it is right."),
    ] = None,
    validation: Annotated[
        list[Path] | None,
        typer.Option("--validation", help="Frames to judge by, instead of a part of DATA."),
    ] = None,
    members: Annotated[
        int | None,
        typer.Option("--members", help="Train so many members of a committee, which judge each other."),
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option(
            "--processes",
            min=1,
            help="So many processes share each step; of a committee, so many members train at a time.",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an interrupted training, or begin.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace OUTPUT and forget its checkpoint.")
    ] = False,
    charge: Charge = None,
    multiplicities: Multiplicities = None,
    multiplicity: OneMultiplicity = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No live table.")] = False,
) -> None:
    """Train a model on energies, forces and couplings, whatever the dataset has."""
    from contextlib import nullcontext

    from rich.console import Console
    from rich.live import Live

    from nadyn.checks.configuration import read_configuration
    from nadyn.checks.kinds import Kind, check_not_swapped
    from nadyn.checks.output import MODEL, check_folder, check_is_no_input, check_suffix
    from nadyn.cli.error_tables import error_table
    from nadyn.cli.tables import print_table
    from nadyn.cli.train_committee import report_committee, single_models
    from nadyn.cli.training_table import TrainingLines, TrainingTable, trial_table
    from nadyn.data import load_dataset
    from nadyn.data.label_checks.table import warn_of_doubts
    from nadyn.data.not_learned import about_not_learned
    from nadyn.data.one_spin import with_one_multiplicity
    from nadyn.models import load_model
    from nadyn.training.checkpoint import existing
    from nadyn.training.committee import train_committee
    from nadyn.training.configuration import TrainingConfiguration
    from nadyn.training.figures import learning_curves, parity
    from nadyn.training.learned_labels import also_learned
    from nadyn.training.mixing import about_energies
    from nadyn.training.notices import about_couplings, about_gaps, about_trials
    from nadyn.training.output import checkpoint_path
    from nadyn.training.together import of_torchrun, processes_for
    from nadyn.training.train import train as train_model

    check_suffix(output, "`--output`", MODEL)
    for one in data:
        for place, other, kind in (
            ("--config", config, Kind.SETTINGS),
            *(("--from", path, Kind.MODEL) for path in begin_from or ()),
        ):
            right = f"nadyn train {other} {place} {one} --output {output}"
            check_not_swapped(one, other, kinds=(Kind.HDF5, kind), right=right)
    check_folder(output)
    check_is_no_input(output, *data, config, *(begin_from or ()), *(validation or ()))
    configuration = (
        TrainingConfiguration() if config is None else read_configuration(config, TrainingConfiguration)
    )
    is_first = of_torchrun()[0] == 0
    console = Console(quiet=not is_first)
    at_once = processes
    if at_once is None:
        at_once = processes_for(configuration, members) if of_torchrun()[1] == 1 else 1
    if resume and output.exists() and not existing(checkpoint_path(output)):
        # A job script that always asks to go on has then done its work.
        console.print(f"{output} is complete: nothing to do", highlight=False)
        return
    spins = given_multiplicities(multiplicities)
    teachers = single_models([load_model(path) for path in begin_from or ()])
    with console.status("reading the data"):
        dataset = load_dataset(data[0], *data[1:], mix=configuration.mix, charge=charge, multiplicities=spins)
        if is_first:
            warn_of_doubts(dataset)
        judged = None
        if validation:
            judged = load_dataset(
                validation[0], *validation[1:], mix=configuration.mix, charge=charge, multiplicities=spins
            )
    if multiplicity is not None:
        dataset = with_one_multiplicity(dataset, multiplicity)
        judged = None if judged is None else with_one_multiplicity(judged, multiplicity)
    for group in dataset.groups:
        console.print(
            f"{group.name}: {counted(group.n_frames, 'frame')}, {counted(group.n_atoms, 'atom')}, "
            f"{counted(group.n_states, 'state')}"
        )
    learned = also_learned(configuration.model, dataset)
    notices = (
        about_couplings(dataset, configuration),
        about_gaps(dataset),
        about_not_learned(dataset, learned),
        *about_energies(dataset),
    )
    for notice in notices:
        if notice:
            console.print(f"Note: {notice}", highlight=False)
    if at_once > 1 and processes is None:
        console.print(f"{at_once} processes share each step; --processes 1 leaves a core to others.")
    table = TrainingTable()
    live, show = Live(table, console=console, refresh_per_second=2, transient=True), table.show
    if quiet or not is_first:
        live = nullcontext()
    elif not console.is_terminal:
        # A live table would be drawn once, at the end.
        live, show = nullcontext(), TrainingLines(lambda line: print(line, flush=True)).show
    settings = {
        "validation": judged,
        "begin_from": teachers,
        "resume": resume,
        "overwrite": overwrite,
        "report": show,
    }
    try:
        with live:
            if members is None:
                trained = train_model(dataset, output, configuration, processes=at_once, **settings)
            else:
                several = train_committee(
                    dataset, output, configuration, n_members=members, processes=at_once, **settings
                )
    except KeyboardInterrupt:
        if existing(checkpoint_path(output)):
            given = [("--config", config), *(("--from", path) for path in begin_from or ())]
            given += [("--validation", path) for path in validation or ()]
            given += [("--charge", charge), ("--multiplicity", multiplicity)]
            given += [("--multiplicities", multiplicities and f"'{multiplicities}'")]
            options = f"--output {output} --resume"
            options += "".join(f" {name} {path}" for name, path in given if path is not None)
            options += "" if members is None else f" --members {members}"
            options += "" if processes is None else f" --processes {processes}"
            console.print(f"interrupted; go on with: nadyn train {' '.join(map(str, data))} {options}")
        else:
            console.print("interrupted before the first step; nothing was written.")
        raise
    if not is_first:
        return
    if members is not None:
        report_committee(several, output, console)
        return
    if trained.trials:
        print_table(console, trial_table(trained.trials))
        notice = about_trials(trained.trials)
        if notice:
            console.print(f"Note: {notice}", highlight=False)
    if trained.learned.start:
        console.print(trained.learned.start, highlight=False)
    progress = trained.outcome.progress
    for note in trained.model.trained_on["notes"]:
        console.print(f"Note: {note}.", highlight=False)
    title = trained.held_out.title
    ending = f"early, without progress on {title}" if trained.outcome.stopped_early else "as planned"
    console.print(
        f"{counted(progress.step, 'step')}, ended {ending}; best on {title} at step {progress.best_step}"
    )
    if trained.learned.kept:
        console.print(f"Note: {trained.learned.kept}.", highlight=False)
    if progress.skipped:
        console.print(f"{counted(progress.skipped, 'step')} skipped because the loss was not finite")
    for comparison in trained.comparisons:
        print_table(console, error_table(comparison, title=f"{title} of {comparison.name}"))
    curves, scatter = output.with_suffix(".learning_curves.png"), output.with_suffix(".parity.png")
    learning_curves(progress.history, curves, judged=progress.judged)
    parity(trained.comparisons, scatter)
    console.print(f"wrote {output}, {curves.name}, {scatter.name}")
    start = "" if trained.model.n_states == 1 else f" --state {trained.model.n_states - 1}"
    console.print(f"next: nadyn sample {output} --n 200{start} --output initial.h5")
