"""One style for all figures: quiet axes, no background, colours that all eyes can tell apart.

Colours: M. Okabe and K. Ito, Color Universal Design (2008).
"""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from nadyn.analysis.geometry import Quantity
from nadyn.checks.output import write_new

# The first six by Okabe and Ito; then darker and lighter ones, so that sixteen states differ.
COLOURS = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00"),
    *("#7A4FBF", "#8A5A2B", "#7FA500", "#C2185B", "#00A5A5", "#B3A000"),
    *("#A6761D", "#9E9AC8", "#FB8072", "#66C2A5"),
)
INK = "#1d2129"
QUIET = "#8a9099"
_WIDTH = 7.4
# Of a legend, in inches: a letter of its text, the line and the space beside it, a row.
_LETTER, _MARK, _ROW = 0.075, 0.46, 0.19


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


def save_picture(figure: Figure, path: Path) -> None:
    """Write a figure on white, as the kind of picture that its name says.

    Raises:
        InputError: It cannot be written there.
        RunError: The disk is full.
    """
    image = io.BytesIO()
    figure.savefig(image, dpi=160, format=path.suffix.lower().removeprefix("."), facecolor="white")
    write_new(path, image.getbuffer())


def legend_above(axes: Axes, extra: Sequence[Artist] | None = None, *, only: bool = False) -> None:
    """Put a legend above the axes, in as many rows as it needs; `only` leaves out what was labelled on them.

    The figure grows by the rows beyond the first, so that the axes keep their height.
    """
    handles = ([] if only else axes.get_legend_handles_labels()[0]) + list(extra or ())
    if not handles:
        return
    place = axes.get_subplotspec()
    ratios = place.get_gridspec().get_width_ratios()
    room = _WIDTH * ratios[place.colspan.start] / sum(ratios) - 0.7
    widths = [_MARK + _LETTER * len(str(handle.get_label())) for handle in handles]
    columns = len(handles) if sum(widths) <= room else max(1, int(room / max(widths)))
    rows = -(-len(handles) // columns)
    axes.figure.set_figheight(axes.figure.get_figheight() + _ROW * (rows - 1))
    legend = axes.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(0, 1.0),
        ncols=columns,
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
