"""Picking geometries that differ from each other and from what is known."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from nadyn.data.farthest_points import distances_to
from nadyn.data.similarity import sorted_within_kinds
from nadyn.structures import pair_distances


def shapes(
    positions: Float[np.ndarray, "frame atom 3"], atomic_numbers: Sequence[int]
) -> Float[np.ndarray, "frame feature"]:
    """Return what makes two geometries of one molecule alike, whatever way they are turned or numbered.

    The inverse distances between atoms [1/bohr], sorted for each pair of elements: bonds count, and how far
    away two fragments are does not.
    """
    numbers = np.asarray(atomic_numbers)
    first, second = np.triu_indices(len(numbers), 1)
    pairs = np.sort(numbers[np.stack([first, second])], axis=0)
    return sorted_within_kinds(1.0 / pair_distances(np.asarray(positions)), pairs[0] * 1000 + pairs[1])


def apart(
    candidates: Float[np.ndarray, "candidate feature"],
    known: Float[np.ndarray, "known feature"],
    n: int,
    *,
    closest: float = 0.0,
) -> Int[np.ndarray, "chosen"]:
    """Return the first `n` candidates that are no repetition of what is known or chosen before them.

    Args:
        candidates: Features of the candidates, in the order in which they are wanted.
        known: Features of what is known already; may be empty.
        n: How many to choose.
        closest: Candidates that are no farther than this from a known or chosen one are left out.
    """
    chosen: list[int] = []
    there = list(known)
    for row, one in enumerate(candidates):
        if len(chosen) == n:
            break
        if not there or distances_to(one, np.stack(there)).min() > closest:
            chosen.append(row)
            there.append(one)
    return np.array(chosen, dtype=np.int64)
