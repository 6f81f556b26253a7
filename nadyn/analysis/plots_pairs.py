"""The figure of two runs that are pairs: populations of both, and their difference with its error."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from nadyn.analysis.independent_runs import Independent
from nadyn.analysis.pairs import Pairs
from nadyn.analysis.pairs_of_mean import MeanBeside
from nadyn.analysis.plots_style import (
    QUIET,
    around_zero,
    legend_above,
    new_figure,
    state_colour,
    time_axis,
)
from nadyn.analysis.two_errors import QUANTILE


def pairs_figure(pairs: Pairs | MeanBeside | Independent, *, names: tuple[str, str]) -> Figure:
    """Return populations of both runs, of pairs known in both, and the difference with 95 % bands.

    Args:
        pairs: Of `paired`, of `mean_beside`, where each of the runs is a thin line, or of `independent`.
        names: Of the two runs, for the legend.
    """
    figure, (left, right) = new_figure(3.5, columns=2, widths=(1.0, 1.0))
    time, (first, second) = pairs.time_fs, pairs.populations
    for k in range(first.shape[1]):
        colour = state_colour(k)
        left.plot(time, first[:, k], color=colour, linewidth=2, label=f"state {k}")
        left.plot(time, second[:, k], color=colour, linewidth=1.4, linestyle="--")
        for one in getattr(pairs, "members", ()):
            left.plot(time, one[:, k], color=colour, linewidth=0.7, alpha=0.5)
        reach = QUANTILE * pairs.error[:, k]
        right.fill_between(
            time, pairs.mean[:, k] - reach, pairs.mean[:, k] + reach, color=colour, alpha=0.2, linewidth=0
        )
        right.plot(time, pairs.mean[:, k], color=colour, linewidth=1.6)
    right.axhline(0.0, color=QUIET, linewidth=0.8)
    left.set_ylim(-0.02, 1.02)
    left.set_ylabel("population")
    right.set_ylabel(f"{names[1]} minus {names[0]}")
    around_zero(right, np.nan_to_num(np.abs(pairs.mean) + QUANTILE * pairs.error))
    for axes in (left, right):
        time_axis(axes, time)
    legend_above(left)
    legend_above(
        right,
        [
            Line2D([], [], color=QUIET, linewidth=2, label=names[0]),
            Line2D([], [], color=QUIET, linewidth=1.4, linestyle="--", label=names[1]),
        ],
    )
    return figure
