"""Tables on a terminal or in a pipe of any width, of which nothing is lost."""

from rich.console import Console
from rich.markup import render
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text


def print_table(console: Console, table: Table) -> None:
    """Print a table, its long texts broken between words; what does not fit even so, one line an entry.

    A table of names and values without a heading that goes into a file or a pipe and is too wide is printed
    one line an entry too: a line that is broken there is found by nobody's search.
    """
    for column in table.columns:
        # Never a dot for what does not fit, never a number on two lines.
        column.overflow = "fold"
        column.no_wrap = not any(" " in _plain(cell) for cell in (column.header, *column.cells))
    wide = console.options.update(max_width=10_000)
    room = Measurement.get(console, wide, table)
    is_too_wide = room.maximum > console.width
    if room.minimum > console.width or (is_too_wide and not table.show_header and not console.is_terminal):
        for line in _entries(table):
            console.print(line, highlight=False, markup=False, soft_wrap=True)
    else:
        console.print(table)


def _entries(table: Table) -> list[str]:
    lines = [_plain(table.title)] if table.title else []
    headers = [_plain(column.header) if table.show_header else "" for column in table.columns]
    for cells in zip(*(column.cells for column in table.columns), strict=True):
        named = [
            " ".join(part for part in (header, _plain(cell)) if part)
            for header, cell in zip(headers, cells, strict=True)
            if _plain(cell)
        ]
        lines.append(f"{named[0]}: {', '.join(named[1:])}" if len(named) > 1 else "".join(named))
    return lines


def _plain(content: object) -> str:
    """Return what a cell, a heading or a title shows, on one line."""
    text = content.plain if isinstance(content, Text) else render(str(content)).plain
    return " ".join(text.split())
