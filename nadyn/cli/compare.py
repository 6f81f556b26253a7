"""`nadyn compare`: runs from the same starts beside one of them, pair by pair."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nadyn.cli.believe import Believe

if TYPE_CHECKING:
    import numpy as np
    from rich.console import Console

    from nadyn.analysis.independent_runs import Independent
    from nadyn.analysis.pair_differences import Difference
    from nadyn.analysis.pairs import Pairs

# Times in the table of independent runs.
_SHOWN = 6


def compare(
    reference: Annotated[
        Path, typer.Argument(metavar="REFERENCE.h5", help="Trajectory file, such as one by direct dynamics.")
    ],
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN.h5 …", help="Other runs, best from the same starts, such as on learned models."
        ),
    ],
    json_file: Annotated[
        Path | None,
        typer.Option(
            "--json",
            help="Write everything to this file, a list: one entry a run, and of several their mean.",
        ),
    ] = None,
    figure: Annotated[
        Path | None,
        typer.Option(
            "--figure",
            help="Draw populations and differences, of several runs of their mean (.png, .pdf, .svg).",
        ),
    ] = None,
    believe: Believe = 1.0,
) -> None:
    """Compare runs: populations with errors of the differences, first hops, where they part, products.

    Trajectories of one number are pairs where both runs begin in the same way, best with the same seed: run
    both from the same `file` of starts. Others are compared as independent runs.
    """
    import json

    from rich.console import Console

    from nadyn.analysis.independent_runs import beside
    from nadyn.analysis.pairs import Pairs
    from nadyn.analysis.pairs_of_mean import mean_beside
    from nadyn.analysis.plots_pairs import pairs_figure
    from nadyn.analysis.plots_style import save_picture
    from nadyn.checks.output import PICTURE, check_json, check_output, check_suffix, write_new

    if json_file is not None:
        check_json(json_file, reference, *runs)
    if figure is not None:
        check_output(figure, reference, *runs, overwrite=True)
        check_suffix(figure, "`--figure`", PICTURE)
    console = Console()
    with console.status("Reading trajectories"):
        found = [(run, beside(reference, run, believe=believe)) for run in runs]
    are_pairs = all(isinstance(one, Pairs) for _, one in found)
    together = mean_beside(reference, runs, believe=believe) if len(runs) > 1 and are_pairs else None
    if json_file is not None:
        numbers = [{"reference": str(reference), "run": str(run), **one.numbers()} for run, one in found]
        if together is not None:
            numbers.append({"reference": str(reference), "mean_of": len(runs), **together.numbers()})
        write_new(json_file, json.dumps(numbers, indent=1, allow_nan=False) + "\n")
    if figure is not None:
        drawn = found[0][1] if together is None else together
        name = runs[0].stem if together is None else f"mean of {len(runs)}"
        save_picture(pairs_figure(drawn, names=(reference.stem, name)), figure)
    for run, one in found:
        (_print if isinstance(one, Pairs) else _print_independent)(console, reference, run, one)
    if together is not None:
        words = _populations(together.difference, int(together.n_known[0]), together.n_known)
        console.print(f"mean of the {len(runs)} runs: {words}", soft_wrap=True, highlight=False)


def _populations(largest: "Difference", n: int, n_known: "np.ndarray") -> str:
    if largest.n_times:
        fates = ""
        if n_known.min() < n:
            fates = " and whatever became of those that were stopped"
            fates += f"; of the pairs known alone by {largest.at_least_of_known:.3f}"
        return (
            f"differ by at most {largest.largest:.3f} ± {largest.error:.3f} (state {largest.state} at "
            f"{largest.time_fs:.4g} fs), somewhere by {largest.at_least:.3f} at least, with 95 % confidence"
            f"{fates}"
        )
    return f"too few pairs to say, {n}: five are needed" if n < 5 else "unknown: pairs are lost on the way"


def _print(console: "Console", reference: Path, run: Path, one: "Pairs") -> None:
    from rich.table import Table

    from nadyn.analysis.pairs import NEAR_HOPS_FS
    from nadyn.analysis.partings import in_words
    from nadyn.checks.counts import counted

    largest, n = one.difference, one.n
    table = Table(
        title=f"{run} beside {reference}: {counted(one.n, 'pair')}, {one.time_fs[-1]:.4g} fs",
        title_justify="left",
        box=None,
        show_header=False,
    )
    table.add_column("", style="bold")
    table.add_column("", overflow="fold")
    table.add_row("pairs known at the end", f"{one.n_known[-1]:.0f}")
    table.add_row("populations", _populations(largest, n, one.n_known))
    lag = "" if one.median_lag_fs is None else f", {one.median_lag_fs:.1f} fs apart in the median"
    near = f", {one.n_near_hops} of them within {NEAR_HOPS_FS:g} fs" if one.n_hopped_in_both else ""
    near += f"; {one.n_hops_unknown} more unknown, stopped on the way" if one.n_hops_unknown else ""
    table.add_row(
        "first hops down", f"in {one.n_hopped_in_both} of {one.n_hopped_in_either} pairs in both{lag}{near}"
    )
    table.add_row("on other states", in_words(one.parted_fs))
    for name, products in zip((reference.stem, run.stem), one.products, strict=True):
        words = ", ".join(f"{n} {product}" for product, n in products.items())
        table.add_row(f"products of {name}", f"{words} (of all its trajectories that ended)")
    console.print(table)
    for note in one.notes:
        console.print(note, soft_wrap=True, highlight=False)
    if largest.n_times and not largest.to_the_end:
        console.print(
            "Fewer than half of the pairs are known at the end: stopped trajectories have unknown fates.",
            soft_wrap=True,
            highlight=False,
        )


def _print_independent(console: "Console", reference: Path, run: Path, one: "Independent") -> None:
    import numpy as np
    from rich.table import Table

    from nadyn.cli.tables import print_table

    console.print(
        f"{run} beside {reference}: no pairs, {one.reason}; independent runs of {one.n[1]} and {one.n[0]}"
    )
    table = Table(
        title="populations, and 95 % intervals of their differences at each time", title_justify="left"
    )
    for head in ("time (fs)", "state", reference.stem, run.stem, "difference", "95 %"):
        table.add_column(head, justify="right")
    rows = np.unique(np.linspace(0, len(one.time_fs) - 1, _SHOWN).round().astype(int))
    for row in rows.tolist():
        for state in range(one.mean.shape[1]):
            values = (one.populations[0], one.populations[1], one.mean)
            cells = [_number(value[row, state]) for value in values]
            interval = f"{one.low[row, state]:.3f} to {one.high[row, state]:.3f}"
            time = f"{one.time_fs[row]:.4g}" if state == 0 else ""
            table.add_row(time, str(state), *cells, interval)
    print_table(console, table)
    for found in one.yields:
        console.print(
            f"{found.fragments}: {found.first:.3f} and {found.second:.3f}, {found.difference:+.3f} "
            f"({found.low:.3f} to {found.high:.3f})",
            highlight=False,
        )
    for note in one.notes:
        console.print(note, soft_wrap=True, highlight=False)


def _number(value: float) -> str:
    return f"{value:.3f}" if value == value else "—"
