"""One style for all figures: quiet axes, no background, colours that all eyes can tell apart.

Colours: M. Okabe and K. Ito, Color Universal Design (2008).
"""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MultipleLocator

from nadyn.analysis.geometry import Quantity

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
INK = "#1d2129"
QUIET = "#8a9099"
_WIDTH = 7.4


def state_colour(state: int) -> str:
    """Return the colour of a state in every figure."""
    return COLOURS[state % len(COLOURS)]


def new_figure(
    height: float, *, columns: int = 1, widths: tuple[float, ...] = (1.0,)
) -> tuple[Figure, object]:
    """Return an empty figure without a background, and its axes side by side."""
    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    figure.patch.set_alpha(0.0)
    axes = figure.subplots(1, columns, width_ratios=widths)
    for one in np.atleast_1d(axes):
        one.patch.set_alpha(0.0)
        one.spines[["top", "right"]].set_visible(False)
        one.spines[["left", "bottom"]].set_color(QUIET)
        one.tick_params(colors=INK, labelsize=9, color=QUIET)
        one.grid(color=to_rgba(QUIET, 0.25), linewidth=0.6)
        one.set_axisbelow(True)
        for text in (one.xaxis.label, one.yaxis.label):
            text.set_color(INK)
            text.set_fontsize(10)
    return figure, axes


def legend_above(axes: Axes, extra: list[Line2D] | None = None, *, only: bool = False) -> None:
    """Put a legend in one row above the axes; `only` leaves out what was labelled on them."""
    handles = ([] if only else axes.get_legend_handles_labels()[0]) + (extra or [])
    legend = axes.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(0, 1.0),
        ncols=len(handles),
        frameon=False,
        fontsize=9,
        labelcolor=INK,
        borderaxespad=0.2,
        handlelength=1.6,
        columnspacing=1.4,
    )
    legend.set_in_layout(True)


def time_axis(axes: Axes, time_fs: np.ndarray) -> None:
    """Label and limit the time axis."""
    axes.set_xlim(0, max(float(time_fs[-1]), 1e-9))
    axes.set_xlabel("time (fs)")


def value_axis(axes: Axes, quantity: Quantity, shown: np.ndarray) -> None:
    """Limit the axis of a coordinate: 0 to 180 degrees for a dihedral, else to what is shown."""
    if quantity.kind == "dihedral":
        axes.set_ylim(0, 180)
        axes.yaxis.set_major_locator(MultipleLocator(45))
        return
    finite = shown[np.isfinite(shown)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    margin = 0.05 * (high - low) or 0.5
    axes.set_ylim(low - margin, high + margin)


def around_zero(axes: Axes, values: np.ndarray) -> None:
    """Limit an axis to a range with zero in its middle."""
    finite = np.abs(values[np.isfinite(values)])
    reach = 1.1 * float(finite.max(initial=0.0)) or 1.0
    axes.set_ylim(-reach, reach)


def unit_text(quantity: Quantity) -> str:
    """Return the unit of a coordinate as it is printed."""
    return {"angstrom": "Å", "degree": "degrees", "bohr": "a.u."}[quantity.unit]
