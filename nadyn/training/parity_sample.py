"""Predictions beside labels, quantity by quantity, for figures and for the record beside a model."""

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nadyn.checks.output import write_new
from nadyn.data import state_pairs
from nadyn.models.model_file import digest
from nadyn.training.evaluation import Comparison
from nadyn.training.quantities import QUANTITIES

# Title, unit, and labels and predictions of each molecule: (frame, column, …).
Panel = tuple[str, str, list[tuple[np.ndarray, np.ndarray]]]
_MOST_POINTS = 300
_DIGITS = 5
# Titles of panels whose columns are pairs of states.
_OF_PAIRS = {"couplings h"} | {quantity.plural for quantity in QUANTITIES if quantity.columns == "pair"}


def panels(comparisons: Sequence[Comparison]) -> list[Panel]:
    """Return labels and predictions of each quantity that has labels, energies first.

    Energies are counted from the lowest label of each molecule: total energies would leave no room for their
    digits.
    """
    lowest = [np.nanmin(c.reference_energies) for c in comparisons]
    energies = [
        (c.reference_energies - zero, c.energies - zero) for c, zero in zip(comparisons, lowest, strict=True)
    ]
    found: list[Panel] = [("energies above the lowest label", "eV", energies)]
    with_forces = [c for c in comparisons if c.reference_forces is not None]
    if with_forces:
        found.append(("forces", "eV/Å", [(c.reference_forces, c.forces) for c in with_forces]))
    with_stress = [c for c in comparisons if c.stress is not None]
    if with_stress:
        found.append(("stress", "GPa", [(c.reference_stress, c.stress) for c in with_stress]))
    with_couplings = [c for c in comparisons if c.reference_couplings is not None]
    if with_couplings:
        found.append(("couplings h", "eV/Å", [(c.reference_couplings, c.couplings) for c in with_couplings]))
    for quantity in QUANTITIES:
        both = [c.properties[quantity.name] for c in comparisons if quantity.name in c.properties]
        if both:
            found.append((quantity.plural, quantity.unit, [(label, own) for own, label in both]))
    return found


def column_names(title: str, n_columns: int) -> list[str]:
    """Return the names of states, or those of pairs such as 0-1, in the order of the columns of a panel."""
    if title not in _OF_PAIRS:
        return [f"state {column}" for column in range(n_columns)]
    n_states = round((1 + math.sqrt(1 + 8 * n_columns)) / 2)
    return [f"{k}-{l}" for k, l in state_pairs(n_states)]


def parity_sample(comparisons: Sequence[Comparison]) -> list[dict[str, object]]:
    """Return some labels with their predictions, and mean absolute errors of all of them, as plain data.

    A quantity has `quantity`, `unit` and `columns`; a column, of a state or a pair, `name`, `n`,
    `mean_absolute_error`, `label` and `prediction`.
    """
    found = []
    for title, unit, arrays in panels(comparisons):
        columns = []
        for column, name in enumerate(column_names(title, arrays[0][0].shape[1])):
            label = np.concatenate([one[:, column].ravel() for one, _ in arrays])
            own = np.concatenate([one[:, column].ravel() for _, one in arrays])
            known = ~np.isnan(label) & np.isfinite(own)
            label, own = label[known], own[known]
            if not len(label):
                continue
            some = np.unique(np.linspace(0, len(label) - 1, _MOST_POINTS).round().astype(int))
            columns.append(
                {
                    "name": name,
                    "n": len(label),
                    "mean_absolute_error": _short(np.abs(own - label).mean()),
                    "label": [_short(value) for value in label[some]],
                    "prediction": [_short(value) for value in own[some]],
                }
            )
        found.append({"quantity": title, "unit": unit, "columns": columns})
    return found


def write_history(
    output: Path, history: dict[str, object], *, title: str, comparisons: Sequence[Comparison]
) -> None:
    """Write the history of a training beside its model, with its errors and of which model they are.

    Args:
        output: The model file.
        history: Configuration, and an entry a validation.
        title: Of which frames the errors are.
        comparisons: Predictions beside labels, one a molecule.
    """
    judged = {"model_digest": digest(output), "judged": title, "parity": parity_sample(comparisons)}
    write_new(output.with_suffix(".history.json"), json.dumps(history | judged, indent=1))


def _short(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
