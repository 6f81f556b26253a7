"""`nadyn evaluate`: errors of a model on labelled frames."""

import math
from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    model: Annotated[Path, typer.Argument(metavar="MODEL.safetensors", help="Trained model.")],
    data: Annotated[list[Path], typer.Argument(metavar="DATA.h5 [MORE.h5 …]", help="Datasets with labels.")],
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the errors to this file.")] = None,
    figure: Annotated[
        Path | None, typer.Option("--figure", help="Draw predictions against labels (PNG, PDF or SVG).")
    ] = None,
) -> None:
    """Compare a model with labels: energies, forces, gaps, couplings."""
    import json

    from rich.console import Console
    from rich.progress import Progress

    from nadyn.checks.kinds import Kind, check_not_swapped
    from nadyn.checks.output import check_json, check_output, new_file
    from nadyn.cli.error_tables import error_table
    from nadyn.data import load_dataset
    from nadyn.models import load_model
    from nadyn.training.evaluation import compare, metrics
    from nadyn.training.figures import check_picture, parity
    from nadyn.training.notices import about_judged

    for one in data:
        others = " ".join(str(other) for other in data if other != one)
        right = " ".join(f"nadyn evaluate {one} {model} {others}".split())
        check_not_swapped(model, one, kinds=(Kind.MODEL, Kind.HDF5), right=right)
    # Before the work: an hour of it must not be lost to a wrong name.
    if json_file is not None:
        check_json(json_file, model, *data)
    if figure is not None:
        check_output(figure, model, *data, overwrite=True)
        check_picture(figure)
    learned = load_model(model)
    dataset = load_dataset(data[0], *data[1:])
    console = Console()
    comparisons = []
    with Progress(console=console, transient=True) as progress:
        for group in dataset.groups:
            task = progress.add_task(group.name, total=group.n_frames)
            comparisons.append(
                compare(learned, group, report=lambda done, task=task: progress.update(task, completed=done))
            )
    notices = {group.name: about_judged(learned.trained_on, group) for group in dataset.groups}
    for comparison in comparisons:
        console.print(error_table(comparison, title=comparison.name, frames=range(len(comparison.energies))))
        for notice in notices[comparison.name]:
            console.print(f"Note: {notice}.", highlight=False, soft_wrap=True)
    if json_file is not None:
        result = {
            comparison.name: _plain(metrics(comparison) | {"notices": notices[comparison.name]})
            for comparison in comparisons
        }
        with new_file(json_file, overwrite=True) as target:
            target.write_text(json.dumps(result, indent=1, allow_nan=False), encoding="utf-8")
        console.print(f"wrote {json_file}")
    if figure is not None:
        parity(comparisons, figure)
        console.print(f"wrote {figure}")


def _plain(value: object) -> object:
    """Return the value with null where a number is not finite, which JSON does not know."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
