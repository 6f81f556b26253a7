"""How to lay one frame on another."""

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment

from nadyn.data.similarity import sorted_within_kinds


def overlay(
    numbers: Int[np.ndarray, "atom"], fixed: Float[np.ndarray, "atom 3"], moving: Float[np.ndarray, "atom 3"]
) -> tuple[Int[np.ndarray, "atom"], Float[np.ndarray, "3 3"]]:
    """Return the order of atoms and the rotation that lay one geometry on another best.

    The order as it is competes with the one that matches the surroundings of like atoms.
    """
    orders = (np.arange(len(numbers)), _match(numbers, fixed, moving))
    best = None
    for order in orders:
        target, source = centred(fixed), centred(moving)[order]
        left, _, right = np.linalg.svd(source.T @ target)
        rotation = left @ right
        misfit = ((source @ rotation - target) ** 2).sum()
        if best is None or misfit < best[0]:
            best = misfit, order, rotation
    return best[1], best[2]


def _match(
    numbers: Int[np.ndarray, "atom"], fixed: Float[np.ndarray, "atom 3"], moving: Float[np.ndarray, "atom 3"]
) -> Int[np.ndarray, "atom"]:
    """Return which atom of `moving` has the surroundings of each atom of `fixed`."""
    surroundings = [
        sorted_within_kinds(np.linalg.norm(positions[:, None] - positions, axis=-1), numbers)
        for positions in (fixed, moving)
    ]
    order = np.arange(len(numbers))
    for number in np.unique(numbers):
        like = np.flatnonzero(numbers == number)
        difference = surroundings[0][like][:, None] - surroundings[1][like]
        _, chosen = linear_sum_assignment((difference**2).sum(axis=-1))
        order[like] = like[chosen]
    return order


def centred(positions: Float[np.ndarray, "atom 3"]) -> Float[np.ndarray, "atom 3"]:
    return positions - positions.mean(axis=0)
