"""Section of a report on hops by geometry: groups, their shares, what represents them, known crossings."""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int

from nadyn.analysis.hop_clusters import (
    WITHIN_ANGSTROM,
    Cluster,
    beside_crossings,
    hop_clusters,
    read_crossings,
)
from nadyn.analysis.hops import pairs_in_words
from nadyn.analysis.moments import moment
from nadyn.analysis.plots_hop_groups import hop_groups_figure
from nadyn.analysis.section import Section
from nadyn.checks.counts import counted
from nadyn.structures import symbol
from nadyn.trajectory import Run
from nadyn.units import ANGSTROM_PER_BOHR

_MOST_SHOWN = 8


@dataclass(frozen=True, eq=False)
class HopGroups:
    """Hops of a run by geometry.

    Attributes:
        groups: The largest first; none where a run has no hops of a molecule.
        numbers: Group of each row of the hop table, -1 for refused hops.
    """

    groups: list[Cluster]
    numbers: Int[np.ndarray, "hop"]

    @property
    def shown(self) -> list[Cluster]:
        """The groups that a figure has room for."""
        return self.groups[:_MOST_SHOWN]

    @property
    def moments(self) -> list[tuple[int, int]]:
        """Trajectory and frame of what represents the groups shown."""
        return [(one.traj, one.frame) for one in self.shown]


def hop_groups(run: Run, crossings: str | Path | None = None) -> HopGroups:
    """Return the hops of a run by geometry, see `nadyn.analysis.hop_clusters`.

    Args:
        run: The run.
        crossings: What `nadyn intersect` found, see `read_crossings`.

    Raises:
        InputError: Crossings are given, and the run has no hops of a molecule, or they are of another one.
    """
    of_molecule = run.atomic_numbers is not None and run.positions.shape[3] == 3 and run.cell is None
    hops = run.hops
    some = (hops["accepted"] == 1) & (hops["step"] <= run.last_step[hops["traj"]])
    if crossings is None and not (of_molecule and run.moves_on == "active state" and some.any()):
        return HopGroups([], np.full(len(some), -1))
    groups, numbers = hop_clusters(run)
    if crossings is not None:
        groups = beside_crossings(groups, run, *read_crossings(crossings))
    return HopGroups(groups, numbers)


def hop_groups_section(run: Run, found: HopGroups) -> list[Section]:
    """Return the figure of the groups with a table that leads to what represents them; nothing without."""
    if not found.groups:
        return []
    shown, rest = found.shown, found.groups[_MOST_SHOWN:]
    words = (
        "Accepted hops by the geometry at which they happened, the same when turned, mirrored or with like "
        f"atoms exchanged; groups are joined while they are within {WITHIN_ANGSTROM:g} Å on average (root "
        "mean square over atoms). Left: the share of each group, with 95 % intervals that hold all at once. "
        "Right: when its hops were, and at which gap. In the table a click shows what represents a group."
    )
    if rest:
        n = sum(one.n for one in rest)
        words += f" {counted(len(rest), 'rarer group')} with {counted(n, 'hop')} stand in the csv only."
    figure = hop_groups_figure(run, shown, found.numbers)
    table, markup = groups_table(run, found.groups), _table_html(run, shown)
    return [Section("hop_geometries", "Hops by geometry", words, figure, table, markup)]


def _table_html(run: Run, shown: Sequence[Cluster]) -> str:
    """Return the groups as a table; what represents each leads to its moment in the viewer."""
    known = any(one.crossing is not None for one in shown)
    names = ["Geometry", "Hops", "Share (95 %)", "States", "Mean gap", "Spread", "Shown by"]
    names += ["Nearest conical intersection"] if known else []
    every = int(run.attributes["write_every"])
    rows = []
    for one in shown:
        states = pairs_in_words(one.pairs)
        address = moment(one.traj, one.frame * every)
        cells = [
            str(one.n),
            f"{100 * one.share:.1f} % ({100 * one.low:.1f} to {100 * one.high:.1f})",
            states,
            f"{one.gap_ev:.2f} eV",
            f"{one.spread_angstrom:.2f} Å",
            f'<a href="{address}">trajectory {one.traj} at {one.time_fs:.4g} fs</a>',
        ]
        if known:
            cells.append(f"number {one.crossing}, {one.crossing_angstrom:.2f} Å away")
        row = "".join(f"<td>{cell}</td>" for cell in cells)
        rows.append(f"<tr><th scope=row>{one.number}</th>{row}</tr>")
    head = "".join(f"<th scope=col>{html.escape(name)}</th>" for name in names)
    return (
        "<div class='wide below' tabindex=0 role=region aria-label='Hops by geometry'><table><thead>"
        f"<tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def groups_table(run: Run, groups: Sequence[Cluster]) -> dict[str, list[object]]:
    """Return the groups as columns, with the geometry of what represents each [angstrom]."""
    table: dict[str, list[object]] = {
        "geometry": [one.number for one in groups],
        "hops": [one.n for one in groups],
        "share": [one.share for one in groups],
        "low": [one.low for one in groups],
        "high": [one.high for one in groups],
        "states": [" ".join(f"{n}x{pair}" for pair, n in one.pairs.items()) for one in groups],
        "mean_gap_ev": [one.gap_ev for one in groups],
        "spread_angstrom": [one.spread_angstrom for one in groups],
        "trajectory": [one.traj for one in groups],
        "time_fs": [one.time_fs for one in groups],
    }
    if any(one.crossing is not None for one in groups):
        table["nearest_crossing"] = [one.crossing for one in groups]
        table["crossing_angstrom"] = [one.crossing_angstrom for one in groups]
    for atom, number in enumerate(run.atomic_numbers.tolist()):
        for axis, letter in enumerate("xyz"):
            name = f"{symbol(number)}{atom}_{letter}_angstrom"
            table[name] = [ANGSTROM_PER_BOHR * float(one.positions[atom, axis]) for one in groups]
    return table
