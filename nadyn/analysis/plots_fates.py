"""Figures of fates: first exits from a state, quantum yields by product and by seam."""

import numpy as np
from matplotlib.figure import Figure

from nadyn.analysis.exits import Exits
from nadyn.analysis.plots_style import INK, QUIET, new_figure, state_colour, time_axis
from nadyn.analysis.quantum_yields import QuantumYields, yield_groups


def exits_figure(found: Exits) -> Figure:
    """Return the part still in a state as a step function with its band."""
    figure, axes = new_figure(3.0)
    colour = state_colour(found.state)
    axes.fill_between(found.time_fs, found.low, found.high, step="post", color=colour, alpha=0.2, linewidth=0)
    axes.step(found.time_fs, found.survival, where="post", color=colour, linewidth=1.8)
    time_axis(axes, found.time_fs)
    axes.set_ylim(-0.02, 1.02)
    axes.set_ylabel(f"still in state {found.state}")
    return figure


def yields_figure(found: QuantumYields) -> Figure:
    """Return yields with their intervals, those of all trajectories above those of each seam."""
    rows = [(name, one) for name, shares in yield_groups(found) for one in shares]
    figure, axes = new_figure(0.9 + 0.42 * len(rows))
    places = np.arange(len(rows))
    for place, (name, one) in zip(places, rows, strict=True):
        colour = INK if name == "all" else QUIET
        axes.barh(place, np.nan_to_num(one.fraction), height=0.26, color=colour, alpha=0.28, linewidth=0)
        # Where most are of unknown product there is an interval alone.
        is_known = np.isfinite(one.fraction)
        value = one.fraction if is_known else 0.5 * (one.low + one.high)
        reach = [[value - one.low], [one.high - value]]
        style = {"fmt": "o" if is_known else "none", "ecolor": colour, "markersize": 5, "capsize": 3}
        axes.errorbar([value], [place], xerr=reach, color=colour, linewidth=1.4, **style)
    axes.set_yticks(places, [one.name if name == "all" else f"{one.name}, by {name}" for name, one in rows])
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set_xlim(0, 1.02)
    axes.set_xlabel("quantum yield")
    return figure
