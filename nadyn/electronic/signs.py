"""Signs of couplings and transition dipoles: one a state and geometry, because that of an eigenvector is
arbitrary."""

import itertools
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor


def coupling_signs(
    predicted: Float[Tensor, "frame pair atom 3"],
    reference: Float[Tensor, "frame pair atom 3"],
    pairs: tuple[tuple[int, int], ...],
) -> Float[Tensor, "frame pair"]:
    """Return the sign of each reference coupling that fits best with one sign s_k a state: s_k s_l.

    All 2^(n-1) choices are compared at once; pairs without labels do not count.
    """
    return common_signs([(predicted, reference)], pairs)


def common_signs(
    compared: Sequence[tuple[Float[Tensor, "frame pair ..."], Float[Tensor, "frame pair ..."]]],
    pairs: tuple[tuple[int, int], ...],
) -> Float[Tensor, "frame pair"]:
    """Return the signs s_k s_l with which all quantities between states fit best, the same for all of them.

    Each quantity counts in units of the mean square of its labels. See `coupling_signs`.

    Args:
        compared: Prediction and label of each quantity; labels that are missing are NaN.
        pairs: The two states of each column.
    """
    n_states = 1 + max(max(pair) for pair in pairs)
    choices = compared[0][0].new_tensor(list(itertools.product((1.0, -1.0), repeat=n_states - 1)))
    states = torch.cat([choices.new_ones((len(choices), 1)), choices], dim=1)
    signs = torch.stack([states[:, k] * states[:, l] for k, l in pairs], dim=1)
    # |p - s r|² = |p|² + |r|² - 2 s p·r: the best choice has the largest Σ s p·r.
    agreement = sum(_agreement(*one, alone=len(compared) == 1) for one in compared)
    return signs[(agreement @ signs.T).argmax(dim=1)]


def _agreement(predicted: Tensor, reference: Tensor, *, alone: bool) -> Float[Tensor, "frame pair"]:
    products = torch.nan_to_num((predicted * reference).flatten(2).sum(dim=2))
    square = 1.0 if alone else float(reference.square().nanmean())
    # Labels that are zero or missing everywhere have no say.
    return products / square if square > 0 else products
