"""Which geometries are near enough to compare their wave functions, also after an exchange of atoms."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial import cKDTree

from nadyn.structures.alignment import aligned_distances
from nadyn.structures.distances import pair_distances
from nadyn.units import BOHR_PER_ANGSTROM

# So many near ones of each geometry are linked, out of twice as many that resemble it in distances of atoms,
# and of so many at least.
_LINKED, _RESEMBLING = 30, 24
# Up to here basis functions as they stand overlap enough for all states to be told apart [bohr].
NEAR = 0.35 * BOHR_PER_ANGSTROM


@dataclass(frozen=True)
class Links:
    """Pairs of geometries that resemble each other.

    Attributes:
        first: Number of the first geometry.
        second: Number of the second.
        distance: Root of the mean square distance of their atoms [bohr], the second laid on the first.
    """

    first: Int[np.ndarray, "link"]
    second: Int[np.ndarray, "link"]
    distance: Float[np.ndarray, "link"]

    def __len__(self) -> int:
        return len(self.first)


def links_between(positions: Float[np.ndarray, "frame atom 3"]) -> Links:
    """Return each geometry with the thirty nearest others, every pair once."""
    first, second, distance = _nearest(positions, positions, at_least=1)
    low, high = np.minimum(first, second), np.maximum(first, second)
    _, chosen = np.unique(low * len(positions) + high, return_index=True)
    chosen = chosen[low[chosen] != high[chosen]]
    return Links(low[chosen], high[chosen], distance[chosen])


def links_after(
    positions: Float[np.ndarray, "frame atom 3"], order: Sequence[int], n_linked: int = _LINKED
) -> Links:
    """Return each geometry with the nearest of those whose atoms have changed places.

    Args:
        positions: [bohr]
        order: The atom that stands in each place afterwards.
        n_linked: How many of them.
    """
    return Links(*_nearest(positions, positions[:, list(order)], at_least=0, n_linked=n_linked))


def _nearest(
    positions: Float[np.ndarray, "frame atom 3"],
    others: Float[np.ndarray, "frame atom 3"],
    *,
    at_least: int,
    n_linked: int = _LINKED,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the numbers of near geometries and their distances; distances of atoms know no mirror."""
    n = min(len(others), max(2 * n_linked, _RESEMBLING) + at_least)
    _, candidates = cKDTree(pair_distances(others)).query(pair_distances(positions), k=n)
    candidates = candidates.reshape(len(positions), n)
    kept = min(n, n_linked + at_least)
    first, second, distance = [], [], []
    for frame, near in enumerate(candidates):
        distances = aligned_distances(positions[frame], others[near])
        best = np.argsort(distances, kind="stable")[:kept]
        first.append(np.full(kept, frame))
        second.append(near[best])
        distance.append(distances[best])
    return np.concatenate(first), np.concatenate(second), np.concatenate(distance)
