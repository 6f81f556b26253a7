"""Arrays for algebra that is many small operations: those of numpy on the processor, of torch elsewhere.

An operation on a few numbers takes numpy a third of the time that it takes torch. Additions, products and
quotients are rounded correctly by both, so that the bits are the same; all else is left to torch, whose
square roots are not rounded correctly everywhere. What is written with these functions, and with what arrays
of both kinds have under one name, serves both.
"""

from collections.abc import Callable, Sequence
from types import ModuleType

import numpy as np
import torch
from jaxtyping import Complex, Float, Inexact, Shaped
from torch import Tensor

Array = np.ndarray | Tensor

# Of a function: numbers that are not finite pass through it without a warning, as they do through torch.
silent = np.errstate(all="ignore")


def small(tensor: Tensor) -> Array:
    """Return a tensor without a graph as an array of the kind that its device wants, in the same memory."""
    return tensor.numpy() if tensor.is_cpu else tensor


def as_tensor(array: Array) -> Tensor:
    """Return what `small` has taken apart as a tensor again."""
    return torch.from_numpy(array) if isinstance(array, np.ndarray) else array


def like(array: Array, tensor: Tensor) -> Array:
    """Return a tensor as an array of the kind of another one."""
    return tensor.numpy() if isinstance(array, np.ndarray) else tensor


def functions_of(array: Array) -> ModuleType:
    """Return numpy or torch: where `stack`, `where` and others of the same face are."""
    return np if isinstance(array, np.ndarray) else torch


def all_finite(tensor: Inexact[Tensor, "..."]) -> bool:
    """Tell whether all numbers are finite."""
    array = small(tensor)
    return bool(functions_of(array).isfinite(array).all())


def square_root(array: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return the square roots of torch."""
    return like(array, torch.sqrt(as_tensor(array)))


def rearranged(array: Shaped[Array, "..."], *axes: int) -> Shaped[Array, "..."]:
    """Return a contiguous array with the axes in another order."""
    if isinstance(array, np.ndarray):
        return np.ascontiguousarray(array.transpose(axes))
    return array.permute(axes).contiguous()


def trajectories_first(array: Shaped[Array, "*others traj"]) -> Shaped[Array, "traj *others"]:
    """Return the array with its last axis moved to the front."""
    last = array.ndim - 1
    return rearranged(array, last, *range(last))


def as_complex(parts: Float[Tensor, "*axes 2"]) -> Complex[Tensor, "*axes"]:
    """Return the complex numbers of real and imaginary parts, as `torch.view_as_complex` does.

    In torch 2.6 that one refuses an odd stride along an axis of length one too, where it has no meaning and
    `contiguous` leaves it.
    """
    if any(step % 2 for step in parts.stride()[:-1]):
        parts = parts.clone(memory_format=torch.contiguous_format)
    return torch.view_as_complex(parts)


@silent
def in_parts(
    width: int, function: Callable[..., tuple[Array, ...]], *arrays: Shaped[Tensor, "traj ..."]
) -> tuple[Tensor, ...]:
    """Apply a function of such arrays to at most `width` rows at once, and join the results.

    Nothing is filled up as in `in_blocks`: the bits that the function gives a row must not depend on how many
    others there are.
    """
    rows = [small(array) for array in arrays]
    n_rows = len(rows[0])
    if n_rows <= width:
        return tuple(as_tensor(result) for result in function(*rows))
    parts = [function(*(row[start : start + width] for row in rows)) for start in range(0, n_rows, width)]
    return tuple(_joined(results) for results in zip(*parts, strict=True))


def _joined(parts: Sequence[Array]) -> Tensor:
    if isinstance(parts[0], np.ndarray):
        return torch.from_numpy(np.concatenate(parts))
    return torch.cat(tuple(parts))
