"""Pictures of a training: learning curves, and predictions against labels."""

import io
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator, StrMethodFormatter

from nadyn.checks.output import write_new
from nadyn.models.calibration import Calibration
from nadyn.training.evaluation import Comparison
from nadyn.training.parity_sample import column_names, panels
from nadyn.training.quantities import QUANTITIES
from nadyn.training.reliability import Sample

# Okabe and Ito's palette: told apart by colour-blind readers too.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")


def learning_curves(history: list[dict[str, object]], path: Path, *, judged: str = "validation") -> None:
    """Draw the errors on what was judged and the training loss over the steps, one line a state or pair."""
    # Errors without any label are NaN, and a logarithmic axis needs a number.
    present = [
        quantity
        for quantity in QUANTITIES
        if np.isfinite([entry.get(f"{quantity.name}_mae", []) for entry in history]).any()
    ]
    loss = np.array([entry.get("loss", np.nan) for entry in history], dtype=np.float64)
    n_panels = len(present) + bool(np.isfinite(loss).any())
    figure = Figure(figsize=(3.6 * n_panels, 3.4), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, n_panels))
    steps = [entry["step"] for entry in history]
    # A few validations are points; many are a line.
    style = {"marker": "o", "markersize": 3} if len(steps) < 20 else {}
    for axis, quantity in zip(axes, present, strict=False):
        values = np.array([entry[f"{quantity.name}_mae"] for entry in history]) * quantity.per_au
        names = column_names(quantity.plural, values.shape[1])
        for column, name in enumerate(names):
            axis.plot(steps, values[:, column], color=_COLOURS[column % len(_COLOURS)], label=name, **style)
        axis.set(yscale="log", title=f"{judged}: {quantity.name} MAE ({quantity.unit})")
        _readable_logarithm(axis)
        if values.shape[1] > 1:
            axis.legend(frameon=False)
    if n_panels > len(present):
        # It may be negative, because it holds the logarithms of the learned noise.
        axes[-1].plot(steps, loss, color=_COLOURS[0], **style)
        axes[-1].set(title="training loss")
    for axis in axes:
        axis.set(xlabel="step")
        axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axis.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axis.grid(True, which="major", alpha=0.25)
    save_figure(figure, path)


def parity(comparisons: Sequence[Comparison], path: Path) -> None:
    """Draw predictions against labels, and below them their difference, with the mean error of each."""
    shown = panels(comparisons)
    figure = Figure(figsize=(4.2 * len(shown), 5.6), layout="constrained")
    axes = figure.subplots(2, len(shown), height_ratios=(3, 1), squeeze=False)
    for (upper, lower), (title, unit, arrays) in zip(axes.T, shown, strict=True):
        _parity_panels(upper, lower, title, unit, arrays)
    save_figure(figure, path)


def reliability(samples: dict[str, Sample], calibration: Calibration | None, path: Path) -> None:
    """Draw which part of the errors of a committee lies within how many spreads, raw and calibrated.

    One panel a quantity; the dotted line is a normal distribution.
    """
    calibration = calibration or Calibration()
    times = np.linspace(0.0, 3.0, 61)
    figure = Figure(figsize=(3.4 * len(samples), 3.4), layout="constrained")
    axes = figure.subplots(1, len(samples), squeeze=False)[0]
    for axis, (name, sample) in zip(axes, samples.items(), strict=True):
        axis.plot(times, [math.erf(t / math.sqrt(2.0)) for t in times], ":", color="0.4", label="normal")
        sigma = sample.calibrated(calibration.scale(name))
        axis.plot(times, _within(sample.errors, sample.spreads, times), color="0.7", label="raw spread")
        axis.plot(times, _within(sample.errors, sigma, times), color=_COLOURS[0], label="calibrated")
        thirds = np.array_split(np.argsort(sigma, kind="stable"), 3)
        words = ("smallest third", "middle third", "largest third")
        for part, word, colour in zip(thirds, words, _COLOURS[1:], strict=False):
            parts = _within(sample.errors[part], sigma[part], times)
            axis.plot(times, parts, color=colour, linewidth=0.8, label=word)
        axis.set(title=name.replace("_norm", " |h|"), xlabel="spreads", ylim=(0.0, 1.02), xlim=(0.0, 3.0))
        axis.grid(True, alpha=0.25)
    axes[0].set(ylabel="part of the errors within")
    axes[-1].legend(frameon=False, fontsize="small")
    save_figure(figure, path)


def _within(errors: np.ndarray, sigma: np.ndarray, times: np.ndarray) -> np.ndarray:
    ratios = np.sort(errors / np.maximum(sigma, np.finfo(float).tiny))
    return np.searchsorted(ratios, times, side="right") / max(1, len(ratios))


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure in the format of its name, whole or not at all."""
    image = io.BytesIO()
    figure.savefig(image, dpi=150, format=path.suffix.lower().removeprefix("."))
    write_new(path, image.getbuffer())


def _parity_panels(
    upper: Axes, lower: Axes, title: str, unit: str, arrays: list[tuple[np.ndarray, np.ndarray]]
) -> None:
    bounds, residuals = [], []
    for column, name in enumerate(column_names(title, arrays[0][0].shape[1])):
        reference = np.concatenate([r[:, column].ravel() for r, _ in arrays])
        predicted = np.concatenate([p[:, column].ravel() for _, p in arrays])
        known = ~np.isnan(reference)
        if not known.any():
            continue
        reference, predicted = reference[known], predicted[known]
        style = {
            "linestyle": "none",
            "marker": ".",
            "markersize": 2,
            "alpha": 0.5,
            "color": _COLOURS[column % len(_COLOURS)],
            "rasterized": True,
        }
        error = np.abs(predicted - reference).mean()
        upper.plot(reference, predicted, label=f"{name}: MAE {error:.3g} {unit}", **style)
        lower.plot(reference, predicted - reference, **style)
        # One extreme number must not shrink everything else to a dot.
        for values in (reference, predicted):
            bounds += list(np.nanpercentile(values, [0.05, 99.95]))
        residuals.append(np.nanpercentile(np.abs(predicted - reference), 99.5))
    low, high = min(bounds), max(bounds)
    margin = 0.05 * (high - low) or 1.0
    limits = (low - margin, high + margin)
    upper.plot([low, high], [low, high], color="0.4", linewidth=0.8)
    upper.set(xlim=limits, ylim=limits, ylabel=f"prediction ({unit})", title=title)
    upper.legend(frameon=False, markerscale=6, fontsize="small")
    largest = max(residuals) or 1.0
    lower.axhline(0.0, color="0.4", linewidth=0.8)
    lower.set(xlim=limits, ylim=(-1.1 * largest, 1.1 * largest))
    lower.set(xlabel=f"label ({unit})", ylabel=f"difference ({unit})")


def _readable_logarithm(axis: Axes) -> None:
    """Put numbers on a logarithmic axis that may cover less than a decade."""
    axis.yaxis.set_major_locator(LogLocator(subs=(1.0, 1.5, 2.0, 3.0, 5.0, 7.0)))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.yaxis.set_minor_locator(NullLocator())
