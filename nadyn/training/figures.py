"""Pictures of a training: learning curves, and predictions against labels."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from nadyn.checks.errors import InputError
from nadyn.training.evaluation import Comparison
from nadyn.units import ELECTRONVOLT_PER_HARTREE, EV_PER_ANGSTROM_PER_AU

# Okabe and Ito's palette: told apart by colour-blind readers too.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_QUANTITIES = (
    ("energy_mae", "energy MAE (eV)", ELECTRONVOLT_PER_HARTREE),
    ("force_mae", "force MAE (eV/Å)", EV_PER_ANGSTROM_PER_AU),
    ("coupling_mae", "coupling MAE (eV/Å)", EV_PER_ANGSTROM_PER_AU),
)


PICTURE_SUFFIXES = (".png", ".pdf", ".svg")


def check_picture(path: Path) -> None:
    """Refuse the name of a picture whose kind is not known.

    Raises:
        InputError: The suffix is none of `PICTURE_SUFFIXES`.
    """
    if path.suffix.lower() not in PICTURE_SUFFIXES:
        known = ", ".join(PICTURE_SUFFIXES)
        raise InputError(f"picture {str(path)!r} must end in one of {known}, but ends in {path.suffix!r}.")


def learning_curves(history: list[dict[str, object]], path: Path) -> None:
    """Draw the validation errors over the steps, one panel a quantity, one line a state or pair."""
    # Errors without any label are NaN, and a logarithmic axis needs a number.
    present = [item for item in _QUANTITIES if np.isfinite([entry[item[0]] for entry in history]).any()]
    figure = Figure(figsize=(4.2 * len(present), 3.4), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, len(present)))
    steps = [entry["step"] for entry in history]
    for axis, (key, label, factor) in zip(axes, present, strict=True):
        values = np.array([entry[key] for entry in history]) * factor
        for column in range(values.shape[1]):
            name = f"state {column}" if key != "coupling_mae" else f"pair {column}"
            axis.plot(steps, values[:, column], color=_COLOURS[column % len(_COLOURS)], label=name)
        axis.set(xscale="log", yscale="log", xlabel="step", title=label)
        axis.grid(True, which="both", alpha=0.25)
        if values.shape[1] > 1:
            axis.legend(frameon=False)
    figure.savefig(path, dpi=150)


def parity(comparisons: list[Comparison], path: Path) -> None:
    """Draw predictions against labels for energies, forces and couplings, with the mean error of each."""
    # Counted from the lowest label of each molecule: total energies would leave no room for their digits.
    lowest = [np.nanmin(c.reference_energies) for c in comparisons]
    energies = [
        (c.reference_energies - zero, c.energies - zero) for c, zero in zip(comparisons, lowest, strict=True)
    ]
    panels = [("energies above the lowest label (eV)", energies)]
    with_forces = [c for c in comparisons if c.reference_forces is not None]
    if with_forces:
        panels.append(("forces (eV/Å)", [(c.reference_forces, c.forces) for c in with_forces]))
    with_couplings = [c for c in comparisons if c.reference_couplings is not None]
    if with_couplings:
        panels.append(("couplings h (eV/Å)", [(c.reference_couplings, c.couplings) for c in with_couplings]))
    figure = Figure(figsize=(4.0 * len(panels), 4.0), layout="constrained")
    for axis, (title, arrays) in zip(np.atleast_1d(figure.subplots(1, len(panels))), panels, strict=True):
        _parity_panel(axis, title, arrays)
    figure.savefig(path, dpi=150)


def _parity_panel(axis, title: str, arrays: list[tuple[np.ndarray, np.ndarray]]) -> None:
    n_columns = arrays[0][0].shape[1]
    bounds = []
    for column in range(n_columns):
        reference = np.concatenate([r[:, column].ravel() for r, _ in arrays])
        predicted = np.concatenate([p[:, column].ravel() for _, p in arrays])
        known = ~np.isnan(reference)
        if not known.any():
            continue
        error = np.abs(predicted[known] - reference[known]).mean()
        axis.plot(
            reference[known],
            predicted[known],
            ".",
            markersize=2,
            alpha=0.5,
            color=_COLOURS[column % len(_COLOURS)],
            label=f"{'pair' if 'coupling' in title else 'state'} {column}: MAE {error:.3g}",
            rasterized=True,
        )
        # One extreme number must not shrink everything else to a dot.
        for values in (reference[known], predicted[known]):
            bounds += list(np.nanpercentile(values, [0.05, 99.95]))
    low, high = min(bounds), max(bounds)
    margin = 0.05 * (high - low) or 1.0
    axis.plot([low, high], [low, high], color="0.4", linewidth=0.8)
    axis.set(
        xlim=(low - margin, high + margin),
        ylim=(low - margin, high + margin),
        xlabel="label",
        ylabel="prediction",
        title=title,
        aspect="equal",
    )
    axis.legend(frameon=False, markerscale=6, fontsize="small")
