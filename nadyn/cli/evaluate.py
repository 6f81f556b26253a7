"""`nadyn evaluate`: errors of a model on labelled frames."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nadyn.cli.convert import OneMultiplicity

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from nadyn.data import Dataset, Group
    from nadyn.models.committee import Committee
    from nadyn.models.learned import LearnedModel


def evaluate(
    model: Annotated[Path, typer.Argument(metavar="MODEL.safetensors", help="Trained model.")],
    data: Annotated[list[Path], typer.Argument(metavar="DATA.h5 [MORE.h5 …]", help="Datasets with labels.")],
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the errors to this file.")] = None,
    figure: Annotated[
        Path | None, typer.Option("--figure", help="Draw predictions against labels (PNG, PDF or SVG).")
    ] = None,
    curvature: Annotated[
        bool, typer.Option("--curvature", help="Also the leading eigenvalues of the Hessian of the loss.")
    ] = False,
    multiplicity: OneMultiplicity = None,
) -> None:
    """Compare a model with labels: energies, forces, gaps, couplings, dipoles, polarisabilities."""
    import json

    from rich.console import Console
    from rich.progress import Progress

    from nadyn.checks.errors import InputError
    from nadyn.checks.kinds import Kind, check_not_swapped
    from nadyn.checks.output import PICTURE, check_json, check_output, check_suffix, new_file
    from nadyn.cli.error_tables import error_table
    from nadyn.cli.tables import print_table
    from nadyn.data import load_dataset
    from nadyn.data.one_spin import with_one_multiplicity
    from nadyn.models import load_model
    from nadyn.models.committee import Committee
    from nadyn.models.spin_coupled import SpinCoupled
    from nadyn.training.evaluation import compare, metrics
    from nadyn.training.figures import parity
    from nadyn.training.notices import about_judged
    from nadyn.training.spin_orbit import spin_orbit_errors

    for one in data:
        others = " ".join(str(other) for other in data if other != one)
        right = " ".join(f"nadyn evaluate {one} {model} {others}".split())
        check_not_swapped(model, one, kinds=(Kind.MODEL, Kind.HDF5), right=right)
    # Before the work: an hour of it must not be lost to a wrong name.
    if json_file is not None:
        check_json(json_file, model, *data)
    if figure is not None:
        check_output(figure, model, *data, overwrite=True)
        check_suffix(figure, "`--figure`", PICTURE)
    learned = load_model(model)
    if curvature and isinstance(learned, SpinCoupled):
        raise InputError(
            f"`--curvature` must be left out for {model}, a model of several spins, but is given. "
            "Use that of one spin."
        )
    dataset = load_dataset(data[0], *data[1:])
    if multiplicity is not None:
        dataset = with_one_multiplicity(dataset, multiplicity)
    console = Console()
    comparisons = []
    with Progress(console=console, transient=True) as progress:
        for group in dataset.groups:
            task = progress.add_task(group.name, total=group.n_frames)
            comparisons.append(
                compare(learned, group, report=lambda done, task=task: progress.update(task, completed=done))
            )
    judged = {}
    if isinstance(learned, Committee):
        with console.status("comparing the members"):
            judged = {group.name: _reliability(learned, group) for group in dataset.groups}
    spin_orbit = {}
    if isinstance(learned, SpinCoupled):
        labelled = [group for group in dataset.groups if group.spin_orbit is not None]
        spin_orbit = {group.name: spin_orbit_errors(learned, group) for group in labelled}
    curved = _curvature(console, learned, dataset) if curvature else None
    notices = {group.name: about_judged(learned.trained_on, group) for group in dataset.groups}
    for comparison in comparisons:
        table = error_table(comparison, title=comparison.name, frames=range(len(comparison.energies)))
        print_table(console, table)
        for notice in notices[comparison.name]:
            console.print(f"Note: {notice}.", highlight=False, soft_wrap=True)
        if comparison.name in judged:
            print_table(console, judged[comparison.name].table)
        if comparison.name in spin_orbit:
            console.print(spin_orbit[comparison.name].in_words(), highlight=False)
    if json_file is not None:
        result = {
            comparison.name: _plain(metrics(comparison) | {"notices": notices[comparison.name]})
            for comparison in comparisons
        }
        if curved is not None:
            result["curvature"] = curved
        for name, errors in spin_orbit.items():
            result[name] |= errors.plain()
        for name, reliability in judged.items():
            result[name]["committee"] = reliability.plain
        with new_file(json_file, overwrite=True) as target:
            target.write_text(json.dumps(result, indent=1, allow_nan=False), encoding="utf-8")
        console.print(f"wrote {json_file}")
    if figure is not None:
        parity(comparisons, figure)
        console.print(f"wrote {figure}")


def _curvature(
    console: "Console", learned: "LearnedModel | Committee", dataset: "Dataset"
) -> dict[str, object]:
    """Print the leading eigenvalues of the Hessian of the loss, and return them for JSON."""
    from dataclasses import asdict

    from nadyn.models.committee import Committee
    from nadyn.training.curvature import curvature

    with console.status("the curvature of the loss: some hundred gradients"):
        found = curvature(learned.bound if isinstance(learned, Committee) else learned, dataset)
    values = ", ".join(f"{value:.3g}" for value in found.eigenvalues)
    console.print(
        f"Leading eigenvalues of the Hessian of the loss on {found.n_frames} frames: {values} "
        f"({found.n_weights} weights, {found.n_products} products).",
        highlight=False,
        soft_wrap=True,
    )
    return asdict(found)


@dataclass(frozen=True)
class _Reliability:
    """What the spread of a committee is worth on labels: a table, and the same for JSON."""

    table: "Table"
    plain: dict[str, object]


def _reliability(committee: "Committee", group: "Group") -> _Reliability:
    from nadyn.cli.error_tables import reliability_table
    from nadyn.data import Dataset
    from nadyn.training.reliability import coverages, samples_of

    samples = samples_of(committee, Dataset((group,)))
    raw, found = coverages(samples, None), coverages(samples, committee.calibration)
    kind = "spread" if committee.calibration else "spread, which is not calibrated,"
    plain = {
        name: {
            "n_errors": one.n_values,
            "within_one_and_two": list(one.within[0]),
            "within_one_and_two_of_thirds": [list(third) for third in one.within[1:]],
            "raw_within_one_and_two": list(raw[name].within[0]),
        }
        for name, one in found.items()
    }
    title = f"{kind} of {len(committee.members)} members on {group.name}"
    return _Reliability(reliability_table(raw, found, title=title), {"spread": plain})


def _plain(value: object) -> object:
    """Return the value with null where a number is not finite, which JSON does not know."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
