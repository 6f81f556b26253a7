"""`nadyn pareto`: the front of energy against force."""

from pathlib import Path
from typing import Annotated

import typer


def pareto(
    data: Annotated[list[Path], typer.Argument(metavar="DATA.h5 [MORE.h5 …]", help="Datasets with forces.")],
    output: Annotated[Path, typer.Option("--output", help="Folder for the models, a table and a figure.")],
    models: Annotated[int, typer.Option("--models", help="How many models, with rising force weight.")] = 5,
    config: Annotated[
        Path | None, typer.Option("--config", help="Training file (YAML) of each of them.")
    ] = None,
) -> None:
    """Train models that weigh energies and forces differently, and draw which are best in both.

    The folder is gone on with where it is there: what is trained is kept.
    """
    from rich.console import Console
    from rich.progress import Progress as Bar
    from rich.table import Table

    from nadyn.checks.configuration import read_configuration
    from nadyn.checks.output import check_folder_name, check_is_no_input
    from nadyn.cli.tables import print_table
    from nadyn.data import load_dataset
    from nadyn.training.configuration import TrainingConfiguration
    from nadyn.training.figure_of_front import front_figure
    from nadyn.training.pareto import in_words
    from nadyn.training.pareto import pareto as train_front
    from nadyn.training.progress import Progress

    check_folder_name(output, "`--output`")
    check_is_no_input(output, *data, config)
    configuration = (
        TrainingConfiguration() if config is None else read_configuration(config, TrainingConfiguration)
    )
    console = Console()
    dataset = load_dataset(data[0], *data[1:], mix=configuration.mix)
    with Bar(console=console, transient=True) as bar:
        tasks = [bar.add_task(f"model {number + 1} of {models}", total=None) for number in range(models)]

        def report(number: int, progress: Progress) -> None:
            bar.update(tasks[number], completed=progress.step, total=progress.n_steps)

        points = train_front(dataset, output, configuration, n=models, report=report)
    table = Table(title="held-out frames, mean over states", title_justify="left")
    for column in ("force weight", "energy MAE (eV)", "force MAE (eV/Å)", "on the front"):
        table.add_column(column, justify="right")
    for point in points:
        table.add_row(
            f"{point.force_weight:g}",
            f"{point.energy_mae_ev:.4f}",
            f"{point.force_mae_ev_per_angstrom:.4f}",
            "yes" if point.on_front else "",
        )
    print_table(console, table)
    console.print(in_words(points), highlight=False, soft_wrap=True)
    front_figure(points, output / "front.png")
    console.print(f"wrote {output}/front.json, front.png and the models", highlight=False)
