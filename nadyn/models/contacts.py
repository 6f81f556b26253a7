"""How close the atoms of a molecule have come in training: the guard against contacts that it has not seen.

For each pair of elements the distances in a frame are sorted, and the shortest of the first, of the second,
of the third, and so on, over all frames, is kept. Like atoms may exchange their places, and a hydrogen its
partner, without a change. Two carbons that are not bonded and come as close as bonded ones make one short
distance too many, though not one that is shorter than any in training.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

# Atoms closer than this part of the shortest distance in training are in a place that no frame knows.
SHORTEST_FRACTION = 0.9


@dataclass(frozen=True, eq=False)
class Contacts:
    """Shortest distances of the pairs of atoms of one molecule.

    Attributes:
        first, second: The atoms of each pair, pairs of the same two elements side by side.
        sizes: How many pairs there are of each two elements.
        shortest: For each two elements, the shortest first, second, … distance in training [bohr].
    """

    first: Int[Tensor, "pair"]
    second: Int[Tensor, "pair"]
    sizes: tuple[int, ...]
    shortest: Float[Tensor, "pair"]

    def any_closer(self, positions: Float[Tensor, "traj atom 3"], fraction: float) -> Bool[Tensor, "traj"]:
        """Tell where a distance is below a fraction of the shortest in training."""
        if not self.sizes:
            return positions.new_zeros(len(positions), dtype=torch.bool)
        difference = positions[:, self.first] - positions[:, self.second]
        squares = difference * difference
        squared = squares[..., 0] + squares[..., 1] + squares[..., 2]
        limit = (fraction * self.shortest) ** 2
        ordered = [part.sort(dim=1).values for part in squared.split(self.sizes, dim=1)]
        return (torch.cat(ordered, dim=1) < limit).any(1)

    def to(self, device: torch.device) -> "Contacts":
        """Return the same on another device."""
        first, second, shortest = (one.to(device) for one in (self.first, self.second, self.shortest))
        return Contacts(first, second, self.sizes, shortest)


def contacts_of(numbers: tuple[int, ...], shortest: Float[Tensor, "pair"]) -> Contacts:
    """Return the contacts of a molecule from what `shortest_contacts` found for its atoms in any order."""
    first, second, sizes = _pairs(numbers)
    return Contacts(torch.from_numpy(first), torch.from_numpy(second), sizes, shortest)


def contacts_by_element(
    numbers: tuple[int, ...], elements: tuple[int, ...], shortest: Float[Tensor, "element element"]
) -> Contacts:
    """Return contacts that know one distance for each two elements: of molecules not in training."""
    first, second, _ = _pairs(numbers)
    index = np.array([elements.index(number) for number in numbers], dtype=np.int64)
    return contacts_of(numbers, shortest[index[first], index[second]])


def shortest_contacts(
    numbers: tuple[int, ...], positions: Float[np.ndarray, "frame atom 3"]
) -> Float[np.ndarray, "pair"]:
    """Return the shortest first, second, … distance of each two elements over all frames [bohr]."""
    first, second, sizes = _pairs(numbers)
    shortest = np.full(len(first), np.inf)
    ends = np.cumsum((0, *sizes))
    # Frame by frame: the shortest over all frames needs no array of all distances of all frames.
    for one in positions:
        distances = np.linalg.norm(one[first] - one[second], axis=-1)
        for start, end in pairwise(ends):
            distances[start:end].sort()
        np.minimum(shortest, distances, out=shortest)
    return shortest


def _pairs(numbers: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, tuple[int, ...]]:
    """Return pairs in the order of their elements, whatever the order of the atoms, and how many of each."""
    first, second = np.triu_indices(len(numbers), k=1)
    if not len(first):
        return first, second, ()
    found = np.array(numbers, dtype=np.int64)
    low = np.minimum(found[first], found[second])
    high = np.maximum(found[first], found[second])
    order = np.lexsort((second, first, high, low))
    _, counts = np.unique(np.stack([low, high], axis=1), axis=0, return_counts=True)
    return first[order], second[order], tuple(int(n) for n in counts)
