"""Distances between atoms, through the walls of a cell where it is periodic."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

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


def nearest_image_distances(
    positions: Float[np.ndarray, "frame atom 3"],
    cell: Float[np.ndarray, "frame 3 3"],
    pbc: Sequence[bool] | Bool[np.ndarray, "3"],
) -> Float[np.ndarray, "frame pair"]:
    """Return the distance of each pair i < j to the nearest image, in lexicographic order; in any cell.

    A vector is brought into the cell about zero. What may be shorter differs from it by few cell vectors, as
    many as its length can reach.
    """
    first, second = np.triu_indices(positions.shape[1], k=1)
    vectors = positions[:, second] - positions[:, first]
    periodic = np.flatnonzero(pbc)
    axes = cell[:, periodic]
    inverse = np.linalg.pinv(axes)
    vectors = vectors - np.round(vectors @ inverse) @ axes
    shortest = np.linalg.norm(vectors, axis=-1)
    gram = axes @ axes.transpose(0, 2, 1)
    if np.allclose(gram * (1.0 - np.eye(len(periodic))), 0.0, atol=1e-10 * np.abs(gram).max()):
        return shortest
    # |n + f| <= |r| |a+| for a vector r = (n + f) a that is no longer than the one at hand.
    reach = 0.5 + shortest.max(initial=0.0) * np.linalg.norm(inverse, axis=1).max(axis=0)
    for shift in product(*(range(-int(most), int(most) + 1) for most in reach)):
        moved = vectors + (np.array(shift) @ axes)[:, None]
        np.minimum(shortest, np.linalg.norm(moved, axis=-1), out=shortest)
    return shortest


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
