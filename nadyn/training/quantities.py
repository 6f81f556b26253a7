"""What a training learns from labels: one line a quantity, and all else follows from it.

Names of weights, of noises and of errors in files, the columns of the live table, the panels of the learning
curve, the loss and the score come from this table.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from nadyn.data.dataset import state_pairs
from nadyn.electronic.signs import common_signs
from nadyn.training.labelled_states import (
    dipoles_in_labelled_states,
    is_turned,
    slopes_in_labelled_states,
    with_possible_signs,
)
from nadyn.training.predictions import Prediction
from nadyn.training.samples import Samples, knows_eigenvectors, labelled_matrices
from nadyn.units import (
    CUBIC_ANGSTROM_PER_AU,
    DEBYE_PER_AU,
    ELECTRONVOLT_PER_HARTREE,
    EV_PER_ANGSTROM_PER_AU,
    GIGAPASCAL_PER_AU,
)

# Predicted and labelled values, (frame, column, …); NaN where a label is missing.
Compared = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Quantity:
    """One kind of label.

    Attributes:
        name: In files, such as `weights: {force: 10}`.
        plural: For sentences.
        unit: For people; `per_au` of them are one atomic unit.
        noise_key: Its key in `label_noise`.
        columns: Whether it has a column for each state, for each pair of states, or one.
        weight: How much it counts in the loss unless a file says otherwise.
        per_atom: Whether its residual is divided by the number of atoms, relative to the mean of the data.
        labels: The labels of frames, or None.
        compare: Prediction beside labels; called where there are labels.
    """

    name: str
    plural: str
    unit: str
    per_au: float
    noise_key: str
    columns: Literal["state", "pair", "frame"]
    weight: float
    per_atom: bool
    labels: Callable[[Samples], Tensor | None]
    compare: Callable[[Prediction, Samples], Compared]


def _forces(prediction: Prediction, batch: Samples) -> Compared:
    gradients = slopes_in_labelled_states(prediction, batch)
    diagonal = [i for i, (k, l) in enumerate(prediction.pairs) if k == l]
    return gradients[:, diagonal], -batch.forces


def _couplings(prediction: Prediction, batch: Samples) -> Compared:
    """Couplings up to one sign a state and frame, but where labels of eigenvectors say it."""
    gradients = slopes_in_labelled_states(prediction, batch)
    others = [i for i, (k, l) in enumerate(prediction.pairs) if k != l]
    signs = _signs(prediction, batch)
    return gradients[:, others], signs[:, :, None, None] * batch.couplings


def _permanent(dipoles: Tensor | None) -> Tensor | None:
    return None if dipoles is None else dipoles.diagonal(dim1=1, dim2=2).movedim(-1, 1)


def _permanent_dipoles(prediction: Prediction, batch: Samples) -> Compared:
    return _permanent(dipoles_in_labelled_states(prediction, batch)), _permanent(batch.dipoles)


def _transitions(dipoles: Tensor | None) -> Tensor | None:
    """Return ⟨k|μ|l⟩ of the pairs k < l; None for one state."""
    if dipoles is None or dipoles.shape[1] == 1:
        return None
    return torch.stack([dipoles[:, k, l] for k, l in state_pairs(dipoles.shape[1])], dim=1)


def _transition_dipoles(prediction: Prediction, batch: Samples) -> Compared:
    """Transition dipoles with the signs of the couplings."""
    signs = _signs(prediction, batch)
    dipoles = dipoles_in_labelled_states(prediction, batch)
    return _transitions(dipoles), signs[:, :, None] * _transitions(batch.dipoles)


def _signs(prediction: Prediction, batch: Samples) -> Tensor:
    """Return the signs of the labels between states, one a state and frame for everything that has labels."""
    between = []
    others = [i for i, (k, l) in enumerate(prediction.pairs) if k != l]
    if batch.couplings is not None and others:
        between.append((prediction.gradients[:, others].detach(), batch.couplings))
    if (labels := _transitions(batch.dipoles)) is not None:
        between.append((_transitions(prediction.dipoles).detach(), labels))
    n_states = prediction.energies.shape[1]
    signs = common_signs(between, tuple(state_pairs(n_states)))
    if not is_turned(prediction, batch):
        return signs
    return torch.where(knows_eigenvectors(batch)[:, None], 1.0, signs)


def _diabatic(prediction: Prediction, batch: Samples) -> Compared:
    """Compare the elements of W, with an axis for the one column."""
    vectors = prediction.eigenvectors
    labels = labelled_matrices(with_possible_signs(prediction, batch))
    return ((vectors * prediction.energies[:, None, :]) @ vectors.mT)[:, None], labels[:, None]


QUANTITIES = (
    Quantity(
        "energy",
        "energies",
        "eV",
        ELECTRONVOLT_PER_HARTREE,
        "energy_ev",
        "state",
        1.0,
        True,
        lambda batch: batch.energies,
        lambda prediction, batch: (prediction.energies, batch.energies),
    ),
    Quantity(
        "force",
        "forces",
        "eV/Å",
        EV_PER_ANGSTROM_PER_AU,
        "force_ev_per_angstrom",
        "state",
        10.0,
        False,
        lambda batch: batch.forces,
        _forces,
    ),
    Quantity(
        "stress",
        "stresses",
        "GPa",
        GIGAPASCAL_PER_AU,
        "stress_gpa",
        "state",
        1.0,
        False,
        lambda batch: batch.stress,
        lambda prediction, batch: (prediction.stress, batch.stress),
    ),
    Quantity(
        "coupling",
        "couplings",
        "eV/Å",
        EV_PER_ANGSTROM_PER_AU,
        "coupling_ev_per_angstrom",
        "pair",
        10.0,
        False,
        lambda batch: batch.couplings,
        _couplings,
    ),
    Quantity(
        "dipole",
        "dipoles",
        "debye",
        DEBYE_PER_AU,
        "dipole_debye",
        "state",
        1.0,
        False,
        lambda batch: _permanent(batch.dipoles),
        _permanent_dipoles,
    ),
    Quantity(
        "transition_dipole",
        "transition dipoles",
        "debye",
        DEBYE_PER_AU,
        "transition_dipole_debye",
        "pair",
        1.0,
        False,
        lambda batch: _transitions(batch.dipoles),
        _transition_dipoles,
    ),
    Quantity(
        "polarisability",
        "polarisabilities",
        "Å³",
        CUBIC_ANGSTROM_PER_AU,
        "polarisability_angstrom3",
        "state",
        1.0,
        False,
        lambda batch: batch.polarisabilities,
        lambda prediction, batch: (prediction.polarisabilities, batch.polarisabilities),
    ),
    Quantity(
        "charge",
        "charges",
        "e",
        1.0,
        "charge_e",
        "frame",
        1.0,
        False,
        lambda batch: None if batch.charges is None else batch.charges[:, None],
        lambda prediction, batch: (prediction.charges[:, None], batch.charges[:, None]),
    ),
    Quantity(
        "diabatic",
        "eigenvectors of the diabatic matrix",
        "eV",
        ELECTRONVOLT_PER_HARTREE,
        "diabatic_ev",
        "frame",
        1.0,
        False,
        lambda batch: batch.eigenvectors,
        _diabatic,
    ),
)


def compared(prediction: Prediction, batch: Samples) -> dict[str, Compared]:
    """Return predictions beside labels for each quantity that the batch has labels of."""
    return {
        quantity.name: quantity.compare(prediction, batch)
        for quantity in QUANTITIES
        if quantity.labels(batch) is not None
    }


def mean_squares(predicted: Tensor, label: Tensor) -> Tensor:
    """Return the mean square over the labelled components of each frame; NaN for a frame without labels.

    NaN labels are replaced before squaring, because 0 · NaN in the backward pass would be NaN. A prediction
    that is NaN is no missing label: it counts as infinitely wrong.
    """
    known = ~torch.isnan(label).flatten(1)
    difference = torch.where(known, (predicted - label).flatten(1), 0.0)
    squares = torch.where(torch.isnan(difference), torch.inf, difference) ** 2
    count = known.sum(dim=1)
    mean = squares.sum(dim=1) / count.clamp(min=1)
    return torch.where(count > 0, mean, torch.full_like(mean, torch.nan))


def absolute_errors(predicted: Tensor, label: Tensor) -> Tensor:
    """Return mean absolute errors (frame, column): NaN without a label, infinite for a prediction that is."""
    difference = (predicted - label).abs()
    broken = torch.isnan(difference) & ~torch.isnan(label)
    return torch.where(broken, torch.inf, difference).reshape(*label.shape[:2], -1).mean(dim=2)
