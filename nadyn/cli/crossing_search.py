"""A search for crossings as a command does it: found, written, drawn, and told in a table."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from nadyn.electronic.crossings import Landscape
    from nadyn.learning.crossing_starts import Starts


def search_and_write(
    console: "Console",
    landscape: "Landscape",
    starts: "Starts",
    pair: tuple[int, int],
    *,
    method: str,
    output: Path,
    seed: int,
) -> None:
    """Search, write crossings.xyz, crossings.json and pictures into a folder, and print what was found.

    Raises:
        RunError: Nothing was found.
    """
    import json

    from nadyn.analysis.plots_crossings import crossing_figure
    from nadyn.checks.counts import counted
    from nadyn.checks.errors import RunError
    from nadyn.checks.output import write_new
    from nadyn.cli.tables import print_table
    from nadyn.electronic.crossings import Wishes, find_crossings
    from nadyn.electronic.crossings.record import record_of, xyz_text

    with console.status("searching") as status:
        found = find_crossings(
            landscape,
            starts.positions,
            pair,
            Wishes(methods=method, seed=seed),
            report=lambda stage, left: status.update(f"{stage}: {left} searches go on"),
        )
    record = record_of(landscape, found, pair) | {"origins": list(starts.origins)}
    if not found.found:
        reasons = sorted({one.reason for one in found.given_up})
        raise RunError(
            f"none of {counted(len(starts.positions), 'search')} came to a crossing of states {pair[0]} and "
            f"{pair[1]}: {'; '.join(reasons[:3])}. Begin from other geometries."
        )
    output.mkdir(parents=True, exist_ok=True)
    text = xyz_text(landscape, record)
    if text:
        write_new(output / "crossings.xyz", text)
    for number, one in enumerate(record["crossings"]):
        if one["cone"] is not None:
            figure = crossing_figure(record, number)
            figure.savefig(output / f"crossing_{number}.png", dpi=160, facecolor="white")
    write_new(output / "crossings.json", json.dumps(record, indent=1))
    print_table(console, _table(record))
    asked = sum(record["n_points"].values())
    console.print(
        f"{counted(asked, 'geometry')} asked; written to {output}/", soft_wrap=True, highlight=False
    )


def _table(record: dict[str, object]) -> "Table":
    from rich.table import Table

    from nadyn.units import ELECTRONVOLT_PER_HARTREE

    first, second = record["names"]
    lowest = record["crossings"][0]["energy_hartree"]
    table = Table(title=f"crossings of {first} and {second}, the lowest first", title_justify="left")
    for name in ("", "energy (eV)", "gap (meV)", "found by", "cone", "loop"):
        table.add_column(name, overflow="fold")
    for number, one in enumerate(record["crossings"]):
        energy = (one["energy_hartree"] - lowest) * ELECTRONVOLT_PER_HARTREE
        cone, around = one["cone"], one["loop"]
        words = "none" if cone is None else f"{cone['words']}, tilt {cone['tilt']:.2f}"
        words += ", saddle of the seam" if one["is_saddle"] else ""
        sign = {1: "keeps its sign", -1: "changes its sign"}.get(
            None if around is None else around["sign"], "?"
        )
        table.add_row(
            str(number),
            f"{energy:.3f}",
            f"{1e3 * one['gap_ev']:.3f}",
            " and ".join(one["methods"]),
            words,
            sign,
        )
    return table
