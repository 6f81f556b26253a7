"""Arithmetic whose result for a trajectory does not depend on the other trajectories of the batch.

Single additions, products and divisions are correctly rounded, so any kernel gives the same bits. The square
roots of torch are not (MKL's), but are the same at any place and length (measured). Everything else is not
safe by itself: vectorised kernels of exp, log, sin and cos treat the last, incomplete vector by other code,
kernels of sums choose their order by the shape, and fused forms (``addcmul``, ``alpha=``) round once or twice
depending on the path. The two functions here are the ways out.
"""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from nadyn.electronic.small_arrays import Array, as_tensor, small

# Below the size from which torch splits an operation over threads, and whole vectors of any length.
_WIDTH = 4096
_SMALL_WIDTH = 64
_ANY_NUMBER = 1 << 30


def ordered_sum(terms: Float[Tensor, "traj *rest"]) -> Float[Tensor, "traj"]:
    """Return the sum over all axes but the first, in an order fixed by their lengths alone.

    The halves are added to each other until one term is left, so that only elementwise additions occur.
    """
    flat = small(terms.reshape(len(terms), -1))
    concatenate = np.concatenate if isinstance(flat, np.ndarray) else torch.cat
    while flat.shape[1] > 1:
        half = flat.shape[1] // 2
        added = flat[:, :half] + flat[:, half : 2 * half]
        flat = concatenate([added, flat[:, 2 * half :]], 1) if flat.shape[1] % 2 else added
    return as_tensor(flat[:, 0])


def elementwise(
    function: Callable[[Tensor], Tensor], values: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """Apply a function of one number, such as `torch.exp`, with the same bits wherever the number stands.

    The numbers are laid out in full blocks of a few fixed lengths, all of them whole vectors of any
    processor, so that no number is treated by the code for incomplete vectors. Other devices promise no bits.
    """
    if isinstance(values, Tensor):
        if not values.is_cpu:
            return function(values)
        return torch.from_numpy(elementwise(function, values.numpy()))
    n = values.size
    if n == 0:
        return values.copy()
    if n % _SMALL_WIDTH:
        filled = np.empty(-(-n // _SMALL_WIDTH) * _SMALL_WIDTH, dtype=values.dtype)
        filled[:n], filled[n:] = values.ravel(), values.flat[-1]
    else:
        filled = values.ravel()
    if len(filled) <= _WIDTH:
        return function(torch.from_numpy(filled)).numpy()[:n].reshape(values.shape)
    parts = [function(part).numpy() for part in torch.from_numpy(filled).split(_WIDTH)]
    return np.concatenate(parts)[:n].reshape(values.shape)


def electronic_width(n_basis: int, batch: Shaped[Tensor, "traj *rest"]) -> int:
    """Return how many trajectories make a block of small matrices: a power of 2, at least 64.

    Whole vectors fill blocks of any of these widths, so that they give the same bits; few trajectories need
    no wide one. On another device than the processor, which promises no bits, all make one block.

    Matrices of two rows, whose operations are the shortest, are worth a longer block: a third less time a
    trajectory than with half of it.

    Args:
        n_basis: Rows of the matrices.
        batch: Any array of the batch.
    """
    if batch.device.type != "cpu":
        return _ANY_NUMBER
    widest = _WIDTH // 2 if n_basis == 2 else 1 << max(6, (_WIDTH // n_basis**2).bit_length() - 1)
    enough = 1 << (max(len(batch), 1) - 1).bit_length()
    return min(widest, max(_SMALL_WIDTH, enough))
