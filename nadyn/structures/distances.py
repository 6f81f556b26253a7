"""Distances between atoms, through the walls of a cell where it is periodic."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int


@dataclass(frozen=True)
class ClosePairs:
    """Pairs of atoms of one frame that are near each other, each once; an atom and its own image also.

    Attributes:
        first: One atom of each pair.
        second: The other one, or the same where it is an image.
        distances: In the unit of the positions.
    """

    first: Int[np.ndarray, "pair"]
    second: Int[np.ndarray, "pair"]
    distances: Float[np.ndarray, "pair"]


def pair_distances(positions: Float[np.ndarray, "... atom 3"]) -> Float[np.ndarray, "... pair"]:
    """Return the distance of each pair i < j, in lexicographic order, without images."""
    first, second = np.triu_indices(positions.shape[-2], k=1)
    return np.linalg.norm(positions[..., second, :] - positions[..., first, :], axis=-1)


def close_pairs(
    positions: Float[np.ndarray, "atom 3"],
    *,
    cutoff: float,
    cell: Float[np.ndarray, "3 3"] | None = None,
    pbc: Sequence[bool] | Bool[np.ndarray, "3"] = (False, False, False),
) -> ClosePairs:
    """Return all pairs closer than `cutoff`; in a cell, however skewed or small, with all of their images.

    Args:
        positions: Positions of one frame.
        cutoff: Largest distance, in the unit of `positions`; infinite only without periodic directions.
        cell: Cell vectors as rows, in the same unit.
        pbc: Which directions are periodic.
    """
    if cell is None or not any(pbc):
        first, second = np.triu_indices(len(positions), k=1)
        distances = pair_distances(positions)
        near = distances < cutoff
        return ClosePairs(first[near], second[near], distances[near])
    # It brings torch with it, which reading a molecule does not need.
    import vesin

    # The search divides the cell into boxes of the size of the cutoff: a tiny one would make millions.
    reach = max(cutoff, 0.1 * float(np.linalg.norm(cell, axis=1).max()))
    search = vesin.NeighborList(cutoff=reach, full_list=False, n_threads=1)
    points, box = np.ascontiguousarray(positions), np.ascontiguousarray(cell)
    first, second, distances = search.compute(points, box, [bool(p) for p in pbc], "ijd")
    near = distances < cutoff
    return ClosePairs(first[near].astype(np.int64), second[near].astype(np.int64), distances[near])


def closest_approach(
    positions: Float[np.ndarray, "frame atom 3"],
    *,
    cutoff: float,
    cell: Float[np.ndarray, "frame 3 3"] | None = None,
    pbc: Sequence[bool] | Bool[np.ndarray, "3"] = (False, False, False),
) -> Float[np.ndarray, "atom atom"]:
    """Return the shortest distance of each pair over all frames, of an atom and its image on the diagonal.

    Pairs that never come closer than `cutoff` have inf. Arguments as in `close_pairs`.
    """
    n_atoms = positions.shape[1]
    shortest = np.full((n_atoms, n_atoms), np.inf)
    # Frame by frame: no array of all distances of all frames is needed.
    for frame, points in enumerate(positions):
        box = None if cell is None else cell[frame]
        pairs = close_pairs(points, cutoff=cutoff, cell=box, pbc=pbc)
        np.minimum.at(shortest, (pairs.first, pairs.second), pairs.distances)
    return np.minimum(shortest, shortest.T)
