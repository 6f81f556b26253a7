"""Labels at random that judge the models before they train them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from nadyn.analysis.learning_record import FreshRecord
from nadyn.data import Dataset, Group
from nadyn.models.learned import LearnedModel
from nadyn.training.evaluation import Comparison, compare

# Above this gap a coupling moves no population, and is not asked about.
_COUPLED_EV = 2.0


@dataclass(frozen=True)
class Fresh:
    """Errors of a committee on fresh labels, one number a label, each the mean over the members.

    Attributes:
        energy_ev: Mean absolute error of the energies.
        force_ev_per_angstrom: Mean absolute error of the force components.
        coupling: Sums over pairs with a gap below 2 eV of |h - h_ref|² and of |h_ref|² [(eV/Å)²].
    """

    energy_ev: Float[np.ndarray, "label"]
    force_ev_per_angstrom: Float[np.ndarray, "label"]
    coupling: Float[np.ndarray, "label 2"]

    def record(self) -> FreshRecord:
        """Return means with their standard errors."""
        energy, force = (_mean_and_error(one) for one in (self.energy_ev, self.force_ev_per_angstrom))
        wrong, size = self.coupling.sum(axis=0)
        relative = float(np.sqrt(wrong / size)) if size > 0 else None
        return FreshRecord(len(self.energy_ev), *energy, *force, relative)


def judge(members: Sequence[LearnedModel], fresh: Group) -> Fresh:
    """Return how the members meet the labels of a group that none of them has seen."""
    found = [_errors(compare(member, fresh)) for member in members]
    energy, force, coupling = (np.mean([one[i] for one in found], axis=0) for i in range(3))
    return Fresh(energy, force, coupling)


def _errors(comparison: Comparison) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    energy = np.abs(comparison.energies - comparison.reference_energies).mean(axis=1)
    n = len(energy)
    force = np.full(n, np.nan)
    if comparison.reference_forces is not None:
        force = np.nanmean(np.abs(comparison.forces - comparison.reference_forces).reshape(n, -1), axis=1)
    coupling = np.zeros((n, 2))
    if comparison.reference_couplings is not None:
        reference = comparison.reference_couplings
        first, second = np.triu_indices(comparison.reference_energies.shape[1], 1)
        gap = np.abs(comparison.reference_energies[:, second] - comparison.reference_energies[:, first])
        counts = (gap < _COUPLED_EV) & np.isfinite(reference).all(axis=(2, 3))
        wrong = ((comparison.couplings - reference) ** 2).sum(axis=(2, 3))
        size = (reference**2).sum(axis=(2, 3))
        coupling = np.stack([np.where(counts, one, 0.0).sum(axis=1) for one in (wrong, size)], axis=1)
    return energy, force, coupling


def _mean_and_error(values: np.ndarray) -> tuple[float, float]:
    known = values[np.isfinite(values)]
    error = float(np.std(known, ddof=1) / np.sqrt(len(known))) if len(known) > 1 else float("nan")
    return (float(np.mean(known)) if len(known) else float("nan")), error


def single(dataset: Dataset) -> Group:
    """Return the group of a dataset of one molecule."""
    (group,) = dataset.groups
    return group
