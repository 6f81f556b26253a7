"""Kinetic schemes on the terminal."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from nadyn.analysis.scheme_fits import SchemeFit
    from nadyn.trajectory import Run


def schemes_asked(run: "Run", texts: Sequence[str]) -> "tuple[list[SchemeFit], tuple[str, ...]]":
    """Return the schemes that `--scheme` asks for, fitted, and notes on their species."""
    from nadyn.analysis.run_schemes import run_schemes
    from nadyn.analysis.schemes import NAMED

    if not texts:
        return [], ()
    return run_schemes(run, NAMED if "all" in [text.strip() for text in texts] else texts)


def print_schemes(console: "Console", fits: "Sequence[SchemeFit]", notes: Sequence[str]) -> None:
    """Print schemes with their time constants, or why they are refused."""
    from rich.table import Table

    from nadyn.analysis.run_schemes import scheme_rows
    from nadyn.cli.tables import print_table

    table = Table(title="Kinetic schemes", title_justify="left", box=None, show_header=False)
    table.add_column("", style="bold")
    table.add_column("", overflow="fold")
    for fit in fits:
        for name, words in scheme_rows(fit):
            table.add_row(name, words)
    print_table(console, table)
    for note in dict.fromkeys([*notes, *(note for fit in fits if not fit.reason for note in fit.notes)]):
        console.print(note, soft_wrap=True, highlight=False)
