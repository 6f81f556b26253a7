"""The figure of hops that are grouped by geometry."""

import numpy as np
from jaxtyping import Int
from matplotlib.figure import Figure

from nadyn.analysis.fates import shown_times
from nadyn.analysis.hop_clusters import Cluster
from nadyn.analysis.hops import hop_statistics
from nadyn.analysis.moments import lead_to_moments
from nadyn.analysis.plots_style import QUIET, new_figure, state_colour, time_axis
from nadyn.trajectory import Run


def hop_groups_figure(run: Run, shown: list[Cluster], numbers: Int[np.ndarray, "hop"]) -> Figure:
    """Return the share of each group with its interval, and when and at which gap its hops were.

    Points lead to their hops, see `nadyn.analysis.moments`; those of groups that are not shown are grey.

    Args:
        run: The run.
        shown: The largest groups.
        numbers: Group of each row of the hop table, -1 for refused hops.
    """
    figure, (axes, side) = new_figure(max(2.7, 0.9 + 0.34 * len(shown)), columns=2, widths=(1.0, 1.25))
    places = np.arange(len(shown))
    for place, one in zip(places, shown, strict=True):
        colour = _colour(one.number)
        axes.barh(place, one.share, height=0.3, color=colour, alpha=0.28, linewidth=0)
        reach = [[max(one.share - one.low, 0.0)], [max(one.high - one.share, 0.0)]]
        axes.errorbar(
            [one.share], [place], xerr=reach, fmt="o", color=colour, markersize=5, capsize=3, linewidth=1.4
        )
    axes.set_yticks(places, [f"geometry {one.number}" for one in shown])
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.set_xlim(0, 1.02)
    axes.set_xlabel("share of hops")
    hops = hop_statistics(run)
    rare = numbers >= len(shown)
    kinds = [(numbers == one.number, _colour(one.number), f"geometry {one.number}") for one in shown]
    for chosen, colour, name in [*kinds, (rare, QUIET, "others")]:
        if not chosen.any():
            continue
        points = side.scatter(
            hops.time_fs[chosen], hops.gap_ev[chosen], s=16, color=colour, alpha=0.75, linewidth=0, label=name
        )
        lead_to_moments(points, run.hops["traj"][chosen], run.hops["step"][chosen])
    time_axis(side, shown_times(run))
    side.set_ylabel("gap at the hop (eV)")
    side.set_ylim(bottom=0)
    return figure


def _colour(number: int) -> str:
    """Return the colour of a group: none of the first states', which stand in the figures around it."""
    return state_colour(number + 6)
