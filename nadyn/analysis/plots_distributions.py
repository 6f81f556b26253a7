"""Figures of distributions: a coordinate over time and at hops, normal modes that move."""

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from nadyn.analysis.fates import shown_times
from nadyn.analysis.geometry import Quantity, label
from nadyn.analysis.mode_activity import ModeActivity
from nadyn.analysis.plots_style import (
    COLOURS,
    QUIET,
    legend_above,
    new_figure,
    state_colour,
    time_axis,
    unit_text,
    value_axis,
)
from nadyn.trajectory import Run
from nadyn.units import INVERSE_CM_PER_HARTREE

MOST_MODES = 5
_BINS = 31


def distribution_figure(
    run: Run,
    quantity: Quantity,
    quantiles: Float[np.ndarray, "quantile frame"],
    moments: dict[str, Float[np.ndarray, "value"]],
) -> Figure:
    """Return bands of a coordinate over time beside its distribution at some moments.

    Args:
        run: The run.
        quantity: The coordinate.
        quantiles: What 5, 25, 50, 75 and 95 % of the trajectories are below.
        moments: Values by the name of a moment, such as `at hops`.
    """
    figure, (axes, side) = new_figure(3.3, columns=2, widths=(1.9, 1.0))
    for low, high, opacity, name in ((0, 4, 0.16, "5 to 95 %"), (1, 3, 0.3, "25 to 75 %")):
        axes.fill_between(
            run.time_fs,
            quantiles[low],
            quantiles[high],
            color=COLOURS[0],
            alpha=opacity,
            linewidth=0,
            label=name,
        )
    axes.plot(run.time_fs, quantiles[2], color=COLOURS[0], linewidth=1.8, label="median")
    time_axis(axes, shown_times(run))
    shown = np.concatenate([quantiles.ravel(), *moments.values()])
    value_axis(axes, quantity, shown)
    axes.set_ylabel(f"{label(run, quantity)} ({unit_text(quantity)})")
    edges = np.linspace(*axes.get_ylim(), _BINS)
    for (name, values), colour in zip(moments.items(), (QUIET, COLOURS[1], COLOURS[0]), strict=False):
        share = np.histogram(values, edges)[0] / max(len(values), 1)
        side.stairs(share, edges, orientation="horizontal", color=colour, linewidth=1.6, label=name)
    side.set_ylim(axes.get_ylim())
    side.set_yticks(axes.get_yticks(), labels=[])
    side.set_ylim(axes.get_ylim())
    side.set_xlim(left=0)
    side.set_xlabel("share of them")
    legend_above(axes)
    legend_above(side)
    return figure


def modes_figure(activity: ModeActivity, frequencies: Float[np.ndarray, "mode"], most: list[int]) -> Figure:
    """Return the mean displacement of the modes that move most over time, and how far each mode moves.

    Args:
        activity: Of all modes.
        frequencies: Of all modes [hartree].
        most: Those that are drawn over time; the figure counts them from 1.
    """
    figure, (axes, side) = new_figure(3.3, columns=2, widths=(1.5, 1.0))
    for place, mode in enumerate(most):
        colour, mean, spread = state_colour(place + 6), activity.mean[:, mode], activity.spread[:, mode]
        axes.fill_between(
            activity.time_fs, mean - spread, mean + spread, color=colour, alpha=0.1, linewidth=0
        )
        axes.plot(activity.time_fs, mean, color=colour, linewidth=1.6, label=f"mode {mode + 1}")
    time_axis(axes, activity.time_fs)
    axes.set_ylabel("mean displacement (dimensionless)")
    legend_above(axes)
    inverse_cm = INVERSE_CM_PER_HARTREE * frequencies
    side.vlines(inverse_cm, 0, activity.total, color=QUIET, linewidth=1.2)
    side.plot(inverse_cm, activity.total, linestyle="", marker="o", markersize=4, color=QUIET, label="each")
    side.plot(
        inverse_cm,
        activity.coherent,
        linestyle="",
        marker="D",
        markersize=4,
        color=COLOURS[1],
        label="together",
    )
    for place, mode in enumerate(most):
        side.annotate(
            str(mode + 1),
            (inverse_cm[mode], activity.total[mode]),
            xytext=(0, 4),
            textcoords="offset points",
            ha="center",
            fontsize=9,
            color=state_colour(place + 6),
        )
    side.axhline(0.5**0.5, color=QUIET, linewidth=0.9, linestyle=(0, (4, 2)))
    side.set_ylim(bottom=0)
    side.set_xlabel("wavenumber (cm⁻¹)")
    side.set_ylabel("how far it moves")
    legend_above(side)
    return figure
