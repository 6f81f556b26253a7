"""The figure of the products: what the molecule became, and on which state."""

import numpy as np
from matplotlib.figure import Figure

from nadyn.analysis.beside import Beside, product_beside
from nadyn.analysis.plots_style import INK, QUIET, legend_above, new_figure, state_colour
from nadyn.analysis.products import Product

_MOST = 8


def products_figure(products: list[Product], *, whole: str, other: Beside | None = None) -> Figure:
    """Return fractions of the products with 95 % intervals, those of another run below each.

    Args:
        products: Of the run, the most frequent first.
        whole: Formula of the molecule.
        other: Numbers of another run.
    """
    drawn = products[:_MOST]
    figure, axes = new_figure(0.9 + 0.42 * len(drawn))
    rows = np.arange(len(drawn))
    shift = 0.0 if other is None else 0.14
    for row, one in zip(rows, drawn, strict=True):
        colour = INK if one.state is None else state_colour(one.state)
        axes.barh(row - shift, one.fraction, height=0.26, color=colour, alpha=0.28, linewidth=0)
        _interval(axes, row - shift, one, colour, "o")
        beside = product_beside(other, one.fragments, one.state)
        if beside is not None:
            _interval(axes, row + shift, beside, QUIET, "D")
    axes.set_yticks(rows, [product_name(one, whole) for one in drawn])
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    ends = [one.high for one in drawn]
    if other is not None:
        ends += [b.high for one in drawn if (b := product_beside(other, one.fragments, one.state))]
        axes.plot([], [], "o", color=INK, markersize=5, label="this run")
        axes.plot([], [], "D", color=QUIET, markersize=4.5, label=other.name)
        legend_above(axes)
    axes.set_xlim(0, min(1.0, 1.08 * max(ends)))
    axes.set_xlabel("fraction of trajectories")
    return figure


def product_name(one: Product, whole: str) -> str:
    """Return a product in words: its fragments, and the state that it is on."""
    what = f"{one.fragments}, whole" if one.fragments == whole else one.fragments
    return what if one.state is None else f"{what}, state {one.state}"


def _interval(axes: object, row: float, one: Product, colour: str, marker: str) -> None:
    reach = [[one.fraction - one.low], [one.high - one.fraction]]
    axes.errorbar(
        [one.fraction], [row], xerr=reach, fmt=marker, color=colour, markersize=5, capsize=3, linewidth=1.4
    )
