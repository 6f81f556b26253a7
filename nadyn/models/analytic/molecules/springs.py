"""Energies of pairs of atoms that the formulas in this folder are made of."""

from jaxtyping import Float
from torch import Tensor


def spring(r: Float[Tensor, "traj"], stiffness: float, length: float) -> Float[Tensor, "traj"]:
    """Return k (r - l)² / 2."""
    return 0.5 * stiffness * (r - length) ** 2


def two_length_spring(
    r: Float[Tensor, "traj"], stiffness: float, short: float, long: float
) -> Float[Tensor, "traj"]:
    """Return k (r - l₁)² (r - l₂)² / 2 (l₂ - l₁)², a spring of stiffness k at each of two lengths.

    For pairs of like atoms of which some are bound and some are not: all have the same function.
    """
    return 0.5 * stiffness * ((r - short) * (r - long) / (long - short)) ** 2
