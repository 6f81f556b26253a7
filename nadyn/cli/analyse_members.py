"""`nadyn analyse` on several runs: populations of a committee with two error bars."""

import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from nadyn.analysis.belief import belief_rows
from nadyn.analysis.key_numbers import note_on_settled
from nadyn.analysis.member_key_numbers import member_key_numbers, sentence_on_pairs
from nadyn.analysis.member_summary import summarise_members
from nadyn.analysis.members import open_members
from nadyn.analysis.plots_members import two_errors_figure
from nadyn.analysis.plots_style import save_picture
from nadyn.analysis.population_csv import populations_csv
from nadyn.analysis.summary import plain
from nadyn.checks.output import write_new
from nadyn.cli.population_tables import belief_table, member_tables


def print_members(
    console: Console,
    runs: Sequence[Path],
    *,
    json_file: Path | None,
    csv_file: Path | None,
    figure: Path | None,
    believe: float | None,
) -> None:
    """Print the numbers of runs of one committee, and write those files that are asked for.

    Raises:
        InputError: As `open_members`.
        RunError: The disk is full.
    """
    members = open_members(runs, believe=1.0 if believe is None else believe)
    with console.status("Reading trajectories"):
        numbers = summarise_members(members)
        rows = belief_rows(runs) if believe is None else []
    numbers |= {"belief": plain(rows)} if rows else {}
    if json_file is not None:
        write_new(json_file, json.dumps(numbers, indent=1, allow_nan=False) + "\n")
    if csv_file is not None:
        write_new(csv_file, populations_csv(numbers))
    if figure is not None:
        save_picture(two_errors_figure(numbers), figure)
    method = members.runs[0].attributes["method"]
    title = f"{len(runs)} members of a committee: {method}, {numbers['time_fs'][-1]:.4g} fs"
    table = Table(title=title, box=None)
    table.add_column("")
    table.add_column("", justify="right", style="bold")
    table.add_column("", style="dim")
    for number in member_key_numbers(numbers):
        table.add_row(number.name, number.value + number.unit, number.detail)
    console.print(table)
    console.print(sentence_on_pairs(numbers), soft_wrap=True, highlight=False)
    if numbers["more"] is not None:
        console.print(numbers["more"]["sentence"], soft_wrap=True, highlight=False)
    if note_on_settled(numbers):
        console.print(note_on_settled(numbers), soft_wrap=True, highlight=False)
    for one in member_tables(numbers, console.width):
        console.print(one)
    if rows:
        console.print(belief_table(rows))
    for reason, count in numbers["n_stopped"].items():
        run = members.runs[0]
        advice = next((run.status_advice.get(c, "") for c, n in run.status_names.items() if n == reason), "")
        words = f"{count} stopped, {reason.replace('_', ' ')}: {advice}"
        console.print(words, soft_wrap=True, highlight=False)
