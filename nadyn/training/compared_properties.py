"""Dipoles and polarisabilities of a model beside labels, with the signs of states that couplings have too."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.data import Group, state_pairs
from nadyn.data.dipole_origin import dipoles_of_coordinates
from nadyn.electronic.signs import common_signs
from nadyn.electronic.surfaces import Surfaces
from nadyn.units import CUBIC_ANGSTROM_PER_AU, DEBYE_PER_AU

# Prediction and label of each quantity by its name in `nadyn.training.quantities`, in its unit.
Properties = dict[str, tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."]]]


@dataclass(frozen=True)
class Signed:
    """What lies between states after the choice of signs, and what does not need one.

    Attributes:
        couplings: Predicted h_kl of the pairs [hartree/bohr] with the signs that fit the labels.
        properties: Predictions and labels in the units of `quantities`.
    """

    couplings: Float[Tensor, "frame pair atom 3"]
    properties: Properties


def signed(
    couplings: Float[Tensor, "frame pair atom 3"],
    predicted: Sequence[Surfaces],
    group: Group,
    *,
    has_couplings: bool,
) -> Signed:
    """Return couplings and properties, those between states with one sign a state and frame.

    Args:
        couplings: Predicted h_kl of the pairs k < l.
        predicted: Surfaces of the frames in their order.
        group: The labels.
        has_couplings: Whether there are labels of couplings, and pairs.
    """
    pairs = tuple(state_pairs(group.n_states))
    labels = dipoles_of_coordinates(group)
    dipoles = _joined([one.dipoles for one in predicted]) if labels is not None else None
    between = []
    if has_couplings:
        between.append((couplings, torch.from_numpy(group.interstate_couplings)))
    found: Properties = {}
    if dipoles is not None:
        states = np.arange(group.n_states)
        own = dipoles[:, states, states].numpy()
        found["dipole"] = (own * DEBYE_PER_AU, labels[:, states, states] * DEBYE_PER_AU)
    transitions = None
    if dipoles is not None and pairs:
        transitions = torch.stack([dipoles[:, k, l] for k, l in pairs], dim=1)
        known = np.stack([labels[:, k, l] for k, l in pairs], axis=1)
        if not np.isnan(known).all():
            between.append((transitions, torch.from_numpy(known)))
    if between:
        signs = common_signs(between, pairs)
        couplings = couplings * signs[:, :, None, None] if has_couplings else couplings
        if transitions is not None and between[-1][0] is transitions:
            turned = (transitions * signs[:, :, None]).numpy()
            found["transition_dipole"] = (turned * DEBYE_PER_AU, known * DEBYE_PER_AU)
    if group.polarisabilities is not None:
        tensors = _joined([one.polarisabilities for one in predicted])
        if tensors is not None:
            label = group.polarisabilities * CUBIC_ANGSTROM_PER_AU
            found["polarisability"] = (tensors.numpy() * CUBIC_ANGSTROM_PER_AU, label)
    return Signed(couplings, found)


def _joined(parts: Sequence[Tensor | None]) -> Tensor | None:
    return None if any(part is None for part in parts) else torch.cat(list(parts))
