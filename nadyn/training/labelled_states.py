"""Slopes of W and dipoles in the states of the labels, where it is known which diabatic states these are.

A network and its labels have seams in slightly different places, and near them their states are turned. Where
labels of eigenvectors U are known nothing is left to choose: with V the eigenvectors of the network and
G_kl = v_k · ∇W · v_l its slopes, Uᵀ V G Vᵀ U is ∇W in the states of the labels, with their signs. It is
linear in W and knows no crossing.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.data.dataset import state_pairs
from nadyn.training.predictions import Prediction
from nadyn.training.samples import Samples, knows_eigenvectors


def is_turned(prediction: Prediction, batch: Samples) -> bool:
    """Tell whether frames with labels of eigenvectors are compared in their states.

    A rotation wants the slopes of all elements of W.
    """
    n = prediction.energies.shape[1]
    return batch.eigenvectors is not None and set(prediction.pairs) == {(k, k) for k in range(n)} | set(
        state_pairs(n)
    )


def slopes_in_labelled_states(prediction: Prediction, batch: Samples) -> Float[Tensor, "frame pair atom 3"]:
    """Return the slopes of a prediction, in the states of the labels where these are known."""
    if not is_turned(prediction, batch):
        return prediction.gradients
    n = prediction.energies.shape[1]
    place = {pair: number for number, pair in enumerate(prediction.pairs)}
    square = [place[min(k, l), max(k, l)] for k in range(n) for l in range(n)]
    slopes = prediction.gradients[:, square].unflatten(1, (n, n))
    turned = _turned(slopes, prediction, batch)
    return torch.stack([turned[:, k, l] for k, l in prediction.pairs], dim=1)


def dipoles_in_labelled_states(
    prediction: Prediction, batch: Samples
) -> Float[Tensor, "frame state state 3"]:
    """Return the dipoles of a prediction, in the states of the labels where these are known."""
    if not is_turned(prediction, batch):
        return prediction.dipoles
    return _turned(prediction.dipoles, prediction, batch)


def _turned(
    operator: Float[Tensor, "frame state state *rest"], prediction: Prediction, batch: Samples
) -> Float[Tensor, "frame state state *rest"]:
    """Return R X Rᵀ with R = UᵀV at frames with labels of eigenvectors, X at others."""
    known = knows_eigenvectors(batch)[:, None, None]
    turn = torch.where(known, batch.eigenvectors, 0.0).mT @ prediction.eigenvectors
    unit = torch.eye(turn.shape[1], dtype=turn.dtype, device=turn.device)
    turn = torch.where(known, turn, unit)
    return torch.einsum("fka,fab...,flb->fkl...", turn, operator, turn)
