"""Figures of the runs of a committee: one function a figure."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from nadyn.analysis.plots_style import (
    INK,
    QUIET,
    legend_above,
    new_figure,
    state_colour,
    time_axis,
)

_MOST = 8
# Of more states, those that stay empty are not drawn.
_ALL_STATES = 6


def two_errors_figure(numbers: dict[str, object]) -> Figure:
    """Return populations over the members with two bands: chance inside, everything outside.

    Args:
        numbers: Of `summarise_members`.
    """
    names = ("populations", "low", "high", "sampling_low", "sampling_high")
    mean, low, high, inner_low, inner_high = (
        np.array(numbers[name if name == "populations" else f"populations_{name}"], dtype=float)
        for name in names
    )
    time = np.array(numbers["time_fs"])
    each = [np.array(one["populations"], dtype=float) for one in numbers["members"]]
    figure, axes = new_figure(3.7)
    drawn = [
        k
        for k in range(mean.shape[1])
        if mean.shape[1] <= _ALL_STATES or np.nan_to_num(mean[:, k]).max() > 0.005
    ]
    for k in drawn:
        colour = state_colour(k)
        axes.fill_between(time, low[:, k], high[:, k], color=colour, alpha=0.13, linewidth=0)
        axes.fill_between(time, inner_low[:, k], inner_high[:, k], color=colour, alpha=0.30, linewidth=0)
        for one in each:
            axes.plot(time, one[:, k], color=colour, linewidth=0.6, alpha=0.7)
        axes.plot(time, mean[:, k], color=colour, linewidth=2, label=f"state {k}")
    extra = [
        Patch(facecolor=QUIET, alpha=0.6, linewidth=0, label="from trajectories"),
        Patch(facecolor=QUIET, alpha=0.25, linewidth=0, label="and from the model"),
        Line2D([], [], color=QUIET, linewidth=0.6, label="a member"),
    ]
    time_axis(axes, time)
    axes.set_ylim(-0.02, 1.02)
    axes.set_ylabel("population")
    legend_above(axes, extra)
    return figure


def member_yields_figure(products: Sequence[dict[str, object]]) -> Figure:
    """Return fractions of the products: the mean over members with two bars, and each member as a point.

    Args:
        products: Of `summarise_members`.
    """
    drawn = products[:_MOST]
    figure, axes = new_figure(0.9 + 0.46 * len(drawn))
    for row, one in enumerate(drawn):
        state = one.get("state")
        colour = INK if state is None else state_colour(int(state))
        if one["sampling_low"] is not None:
            axes.plot(
                [one["sampling_low"], one["sampling_high"]], [row, row], color=colour, linewidth=6, alpha=0.35
            )
        axes.plot([one["low"], one["high"]], [row, row], color=colour, linewidth=1.4)
        for end in (one["low"], one["high"]):
            axes.plot([end, end], [row - 0.12, row + 0.12], color=colour, linewidth=1.4)
        each = [value for value in one["members"] if value is not None]
        axes.plot(each, [row + 0.3] * len(each), "|", color=colour, markersize=7)
        if one["fraction"] is not None:
            axes.plot([one["fraction"]], [row], "o", color=colour, markersize=5)
    axes.set_yticks(range(len(drawn)), [yield_name(one) for one in drawn])
    axes.set_ylim(-0.5, len(drawn) - 0.4)
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set_xlim(0, min(1.0, 1.08 * max(one["high"] for one in drawn)))
    axes.set_xlabel("fraction of trajectories")
    return figure


def yield_name(one: dict[str, object]) -> str:
    """Return a product in words: its fragments, and the state that it is on."""
    return one["fragments"] if one.get("state") is None else f"{one['fragments']}, state {one['state']}"
