"""Arithmetic whose result for a trajectory does not depend on the other trajectories of the batch.

Single additions, products, divisions and square roots are correctly rounded, so any kernel gives the same
bits. Everything else is not safe by itself: vectorised kernels of exp, log, sin and cos treat the last,
incomplete vector by other code, kernels of sums choose their order by the shape, and fused forms
(``addcmul``, ``alpha=``) round once or twice depending on the path. The two functions here are the ways out.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

# Below the size from which torch splits an operation over threads, and whole vectors of any length.
_WIDTH = 4096
_SMALL_WIDTH = 64
_ANY_NUMBER = 1 << 30


def ordered_sum(terms: Float[Tensor, "traj *rest"]) -> Float[Tensor, "traj"]:
    """Return the sum over all axes but the first, in an order fixed by their lengths alone.

    The halves are added to each other until one term is left, so that only elementwise additions occur.
    """
    flat = terms.reshape(len(terms), -1)
    while flat.shape[1] > 1:
        half = flat.shape[1] // 2
        added = flat[:, :half] + flat[:, half : 2 * half]
        flat = torch.cat([added, flat[:, 2 * half :]], dim=1) if flat.shape[1] % 2 else added
    return flat[:, 0]


def elementwise(
    function: Callable[[Tensor], Tensor], values: Float[Tensor, "*shape"]
) -> Float[Tensor, "*shape"]:
    """Apply a function of one number, such as `torch.exp`, with the same bits wherever the number stands.

    The numbers are laid out in full blocks of a few fixed lengths, all of them whole vectors of any
    processor, so that no number is treated by the code for incomplete vectors. Other devices promise no bits.
    """
    if values.device.type != "cpu":
        return function(values)
    flat = values.reshape(-1)
    if len(flat) == 0:
        return values.clone()
    parts = []
    for start in range(0, len(flat), _WIDTH):
        part = flat[start : start + _WIDTH]
        missing = -len(part) % _SMALL_WIDTH
        if missing:
            part = torch.cat([part, part[-1:].expand(missing)])
        parts.append(function(part.contiguous()))
    result = parts[0] if len(parts) == 1 else torch.cat(parts)
    return result[: len(flat)].reshape(values.shape)


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
