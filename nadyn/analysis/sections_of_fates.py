"""Sections of a report on fates: how long trajectories stay in the first state, and what they become."""

import numpy as np

from nadyn.analysis.exits import Exits, first_exits
from nadyn.analysis.plots_fates import exits_figure, yields_figure
from nadyn.analysis.quantum_yields import QuantumYields, quantum_yields, yield_groups
from nadyn.analysis.section import Section
from nadyn.checks.counts import counted
from nadyn.trajectory import Run


def exits_section(run: Run) -> list[Section]:
    """Return first exits from the state that most trajectories begin on; nothing where none leaves it."""
    if not run.changes_states or run.moves_on != "active state":
        return []
    begins = np.asarray(run.active_state)[:1].ravel()
    begins = begins[begins >= 0]
    if not len(begins):
        return []
    found = first_exits(run, int(np.bincount(begins).argmax()))
    if not found.n_left:
        return []
    words = (
        f"Part of the trajectories that has not yet left state {found.state} for the first time (Kaplan and "
        f"Meier), with a band that holds the whole curve in 95 % of cases; {found.n_left} of {found.n} left. "
        f"{_median_words(found)} One that was stopped counts until then."
    )
    table = {
        "time_fs": found.time_fs.tolist(),
        "survival": found.survival.tolist(),
        "low": found.low.tolist(),
        "high": found.high.tolist(),
    }
    return [Section("exits", f"First exits from state {found.state}", words, exits_figure(found), table)]


def yields_section(run: Run) -> list[Section]:
    """Return quantum yields, of all trajectories and by the hop that brought them down; nothing where all
    became the same."""
    if not run.changes_states or run.moves_on != "active state":
        return []
    found = quantum_yields(run)
    if found is None:
        return []
    words = (
        "Part of each product among the trajectories whose product is known, of all and by the states of the "
        "hop that brought them to the lowest one. The 95 % intervals of one group hold all at once"
    )
    if found.n_unknown:
        words += f", whatever {counted(found.n_unknown, 'trajectory')} of unknown product became"
    return [Section("yields", "Quantum yields", words + ".", yields_figure(found), _yields_table(found))]


def _median_words(found: Exits) -> str:
    middle, low, high = found.median_fs
    if middle is None:
        return "Half of them did not leave it."
    ends = ("not seen" if one is None else f"{one:.4g} fs" for one in (low, high))
    return f"Half left by {middle:.4g} fs ({' to '.join(ends)})."


def _yields_table(found: QuantumYields) -> dict[str, list[object]]:
    rows = [(name, one) for name, shares in yield_groups(found) for one in shares]
    return {
        "by_way_of": [name for name, _ in rows],
        "product": [one.name for _, one in rows],
        "trajectories": [one.n for _, one in rows],
        "yield": [one.fraction for _, one in rows],
        "low": [one.low for _, one in rows],
        "high": [one.high for _, one in rows],
    }
