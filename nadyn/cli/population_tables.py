"""Tables of populations for the terminal, as wide as it is."""

from collections.abc import Callable, Iterator

from rich.table import Table
from rich.text import Text

from nadyn.analysis.belief import TITLE, belief_cells
from nadyn.analysis.multiplicities import multiplicity_name


def population_tables(numbers: dict[str, object], width: int) -> Iterator[Table]:
    """Return the populations with intervals, in as many tables as a terminal of this width needs."""
    rows, low, high = (numbers[f"populations{name}"] for name in ("", "_low", "_high"))
    names = [f"state {k}" for k in range(len(rows[0]))]

    def cell(frame: int, k: int) -> str:
        mean = "—" if rows[frame][k] is None else _three_digits(rows[frame][k])
        return f"{mean} [dim]{_three_digits(low[frame][k])}…{_three_digits(high[frame][k])}[/dim]"

    title = f"Populations{' of those not stopped' if numbers['n_stopped'] else ''}, 95 % intervals"
    yield from _tables(title, names, numbers, cell, width)


def member_tables(numbers: dict[str, object], width: int) -> Iterator[Table]:
    """Return the populations over members: the interval, and the parts of it of trajectories and model."""
    rows = {
        name: numbers[f"populations{name}"]
        for name in ("", "_low", "_high", "_sampling_low", "_sampling_high", "_model")
    }
    names = [f"state {k}" for k in range(len(rows[""][0]))]

    def cell(frame: int, k: int) -> str:
        one = {name: values[frame][k] for name, values in rows.items()}
        interval = f"{_three_digits(one['_low'])}…{_three_digits(one['_high'])}"
        if one[""] is None:
            return f"— [dim]{interval}[/dim]"
        sampling, model = 0.5 * (one["_sampling_high"] - one["_sampling_low"]), min(one["_model"], 1.0)
        parts = f"±{_three_digits(sampling)} ±{_three_digits(model)}"
        return f"{_three_digits(one[''])} [dim]{parts}  {interval}[/dim]"

    title = "Populations, ± from trajectories, ± from the model, 95 % intervals of everything"
    yield from _tables(title, names, numbers, cell, width)


def belief_table(rows: list[dict[str, object]]) -> Table:
    """Return how much would be known if the committee were believed further, see `belief_rows`."""
    table = Table(title=f"{TITLE}, 95 % intervals", box=None)
    head, cells = belief_cells(rows)
    for name in head:
        table.add_column(name, justify="right")
    for row in cells:
        table.add_row(*row)
    return table


def diabatic_tables(numbers: dict[str, object], names: list[str], width: int) -> Iterator[Table]:
    """Return sums by multiplicity, if there are several, and diabatic populations, with standard errors."""
    mean, error = numbers["diabatic_populations"], numbers["diabatic_populations_error"]
    columns = [([row[d] for row in mean], [row[d] for row in error]) for d in range(len(names))]
    if "multiplicity_populations" in numbers:
        sums, errors = numbers["multiplicity_populations"], numbers["multiplicity_populations_error"]
        columns = [(sums[kind], errors[kind]) for kind in sums] + columns
        names = [multiplicity_name(int(kind)) for kind in sums] + names

    def cell(frame: int, k: int) -> str:
        value, spread = columns[k][0][frame], columns[k][1][frame]
        if value is None or spread is None:
            return "—"
        return f"{_three_digits(value)} [dim]± {spread:.3f}[/dim]"

    yield from _tables("Diabatic populations, standard errors", names, numbers, cell, width)


def _three_digits(value: float) -> str:
    # Not -0.000.
    return f"{round(value, 3) + 0.0:.3f}"


def _tables(
    title: str, names: list[str], numbers: dict[str, object], cell: Callable[[int, int], str], width: int
) -> Iterator[Table]:
    time = numbers["time_fs"]
    chosen = sorted({round(i * (len(time) - 1) / 5) for i in range(6)})
    widest = max(Text.from_markup(cell(frame, k)).cell_len for frame in chosen for k in range(len(names)))
    columns = max(1, (width - 11) // (widest + 2))
    for first in range(0, len(names), columns):
        table = Table(title=title if first == 0 else None, box=None)
        table.add_column("time (fs)", justify="right")
        places = range(first, min(first + columns, len(names)))
        for k in places:
            table.add_column(names[k], justify="right", overflow="fold")
        for frame in chosen:
            table.add_row(f"{time[frame]:.4g}", *(cell(frame, k) for k in places))
        yield table
