"""Slopes of W and dipoles in the states of the labels, where it is known which diabatic states these are.

A network and its labels have seams in slightly different places, and near them their states are turned. Where
labels of eigenvectors U are known nothing is left to choose: with V the eigenvectors of the network and
G_kl = v_k · ∇W · v_l its slopes, Uᵀ V G Vᵀ U is ∇W in the states of the labels, with their signs. It is
linear in W and knows no crossing.

Around a place where another active space takes over, a row may come back with the other sign: no function of
the geometry has all labelled signs then, and labels that insist on theirs press elements to zero between
them. Where a label contradicts the network by its signs alone, and by much, those of the network are taken.
"""

from dataclasses import replace
from itertools import product

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.data.dataset import state_pairs
from nadyn.training.predictions import Prediction
from nadyn.training.samples import Samples, knows_eigenvectors, labelled_matrices
from nadyn.units import HARTREE_PER_EV

# So many rows have all their signs tried; those of more keep what the labels say.
_MOST_ROWS = 6
# By how much other signs are to be nearer (root of the sum over elements) [hartree].
_CONTRADICTS = 1.0 * HARTREE_PER_EV


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


def with_possible_signs(prediction: Prediction, batch: Samples) -> Samples:
    """Return a batch whose eigenvectors have signs of rows that can be, see `with_signs_near`."""
    vectors = prediction.eigenvectors.detach()
    return with_signs_near((vectors * prediction.energies.detach()[:, None, :]) @ vectors.mT, batch)


def with_signs_near(matrix: Float[Tensor, "frame basis basis"], batch: Samples) -> Samples:
    """Return a batch whose eigenvectors have other signs of rows where the labelled ones cannot be.

    That is where U E Uᵀ with other signs is nearer to a matrix W [hartree] by `_CONTRADICTS` and more than
    twice as near. Near a seam, where an element goes through zero, its sign is what is to be learned, and
    stays.
    """
    n = batch.eigenvectors.shape[1]
    if n > _MOST_ROWS:
        return batch
    middle = batch.energies.mean(dim=1)[:, None, None] * torch.eye(n).to(matrix)
    labelled = torch.nan_to_num(labelled_matrices(batch)) - middle
    # One sign of all rows says nothing; the first of them are those of the labels.
    signs = torch.tensor([(1.0, *rest) for rest in product((1.0, -1.0), repeat=n - 1)]).to(matrix)
    both = (signs[:, :, None] * signs[:, None, :])[:, None]
    off = (both * labelled - (matrix - middle)).norm(dim=(2, 3))
    least, best = off.min(dim=0)
    other = (off[0] - least > _CONTRADICTS) & (least < 0.5 * off[0])
    chosen = signs[torch.where(other, best, 0)]
    return replace(batch, eigenvectors=chosen[:, :, None] * batch.eigenvectors)


def _turned(
    operator: Float[Tensor, "frame state state *rest"], prediction: Prediction, batch: Samples
) -> Float[Tensor, "frame state state *rest"]:
    """Return R X Rᵀ with R = UᵀV at frames with labels of eigenvectors, X at others."""
    known = knows_eigenvectors(batch)[:, None, None]
    labelled = with_possible_signs(prediction, batch).eigenvectors
    turn = torch.where(known, labelled, 0.0).mT @ prediction.eigenvectors
    unit = torch.eye(turn.shape[1], dtype=turn.dtype, device=turn.device)
    turn = torch.where(known, turn, unit)
    return torch.einsum("fka,fab...,flb->fkl...", turn, operator, turn)
