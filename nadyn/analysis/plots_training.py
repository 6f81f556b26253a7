"""Figures of the training of the model of a run: learning curves, and predictions against labels."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from nadyn.analysis.plots_style import COLOURS, QUIET, legend_above, new_figure, state_colour
from nadyn.analysis.training_record import Curve, Parity, TrainingRecord

# As many side by side as can be read on the page.
MOST_PANELS = 3


def curves_figure(record: TrainingRecord) -> Figure:
    """Return errors over the steps of the training, one panel a quantity, one line a member."""
    names = list(dict.fromkeys(curve.quantity for curve in record.curves))[:MOST_PANELS]
    figure, all_axes = new_figure(2.9, columns=len(names), widths=(1.0,) * len(names))
    for axes, name, colour in zip(np.atleast_1d(all_axes), names, COLOURS, strict=False):
        for curve in (one for one in record.curves if one.quantity == name):
            # A few points would be lost in a line.
            marker = {"marker": "o", "markersize": 3} if len(curve.steps) < 20 else {}
            axes.plot(curve.steps, curve.errors, color=colour, linewidth=1.3, alpha=0.85, **marker)
            axes.set_ylabel(f"error of {name} ({curve.unit})")
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_locator(MaxNLocator(3, integer=True))
        axes.set_xlabel("step")
    return figure


def parity_figure(record: TrainingRecord) -> Figure:
    """Return predictions against labels, one panel a quantity, one colour a state or pair."""
    names = list(dict.fromkeys(one.quantity for one in record.parity))[:MOST_PANELS]
    figure, all_axes = new_figure(3.2, columns=len(names), widths=(1.0,) * len(names))
    for axes, name in zip(np.atleast_1d(all_axes), names, strict=True):
        _parity_panel(axes, [one for one in record.parity if one.quantity == name])
    return figure


def curves_table(curves: tuple[Curve, ...]) -> dict[str, list[object]]:
    """Return learning curves as columns, a row for each time that a member was judged."""
    rows = [
        (one.quantity, one.unit, one.member, step, error)
        for one in curves
        for step, error in zip(one.steps.tolist(), one.errors.tolist(), strict=True)
    ]
    return _columns(("quantity", "unit", "member", "step", "mean_absolute_error"), rows)


def parity_table(parity: tuple[Parity, ...]) -> dict[str, list[object]]:
    """Return labels and predictions as columns."""
    rows = [
        (one.quantity, one.unit, one.name, label, prediction)
        for one in parity
        for label, prediction in zip(one.label.tolist(), one.prediction.tolist(), strict=True)
    ]
    return _columns(("quantity", "unit", "of", "label", "prediction"), rows)


def _columns(names: tuple[str, ...], rows: list[tuple]) -> dict[str, list[object]]:
    return {name: [row[place] for row in rows] for place, name in enumerate(names)}


def _parity_panel(axes: Axes, columns: list[Parity]) -> None:
    ends = []
    for number, one in enumerate(columns):
        axes.plot(
            one.label,
            one.prediction,
            linestyle="",
            marker=".",
            markersize=3,
            alpha=0.6,
            color=state_colour(number),
            label=one.name,
            rasterized=True,
        )
        # One extreme number must not shrink everything else to a dot.
        ends += [*np.percentile(one.label, [0.5, 99.5]), *np.percentile(one.prediction, [0.5, 99.5])]
    low, high = min(ends), max(ends)
    margin = 0.05 * (high - low) or 1.0
    axes.plot([low, high], [low, high], color=QUIET, linewidth=0.9)
    axes.set(xlim=(low - margin, high + margin), ylim=(low - margin, high + margin))
    axes.xaxis.set_major_locator(MaxNLocator(4))
    short = columns[0].quantity.removesuffix(" above the lowest label")
    axes.set_xlabel(f"{short}, label ({columns[0].unit})")
    axes.set_ylabel(f"prediction ({columns[0].unit})")
    legend_above(axes)
