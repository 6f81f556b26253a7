"""Signs of couplings: one a state and geometry, because that of an eigenvector is arbitrary."""

import itertools

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
    n_states = 1 + max(max(pair) for pair in pairs)
    choices = predicted.new_tensor(list(itertools.product((1.0, -1.0), repeat=n_states - 1)))
    states = torch.cat([choices.new_ones((len(choices), 1)), choices], dim=1)
    signs = torch.stack([states[:, k] * states[:, l] for k, l in pairs], dim=1)
    # |p - s r|² = |p|² + |r|² - 2 s p·r: the best choice has the largest Σ s p·r.
    agreement = torch.nan_to_num((predicted * reference).sum(dim=(2, 3)))
    return signs[(agreement @ signs.T).argmax(dim=1)]
