"""How close atoms come in crystals and large structures: by a neighbour list, images included."""

from dataclasses import dataclass

import numpy as np
import torch
import vesin
from jaxtyping import Bool, Float, Int
from torch import Tensor

# Beyond it [bohr] the search for neighbours has no grid.
_FARTHEST = 1e6


@dataclass(frozen=True, eq=False)
class ListedContacts:
    """Shortest distance of each two elements in training; see `Contacts` for small molecules.

    Attributes:
        elements: Index of the element of each atom.
        shortest: Shortest distance of each two elements in training [bohr]; inf or 0 where they never met.
        cell: Cell vectors as rows [bohr], or None.
        pbc: Which directions are periodic.
    """

    elements: Int[np.ndarray, "atom"]
    shortest: Float[Tensor, "element element"]
    cell: Float[Tensor, "3 3"] | None
    pbc: tuple[bool, bool, bool]

    def any_closer(self, positions: Float[Tensor, "traj atom 3"], fraction: float) -> Bool[Tensor, "traj"]:
        """Tell where a distance, also to an image, is below a fraction of the shortest in training."""
        shortest = self.shortest.numpy()
        limits = np.where(np.isfinite(shortest), fraction * shortest, 0.0)
        if limits.max() <= 0:
            return torch.zeros(len(positions), dtype=torch.bool)
        search = vesin.NeighborList(cutoff=float(limits.max()), full_list=False, n_threads=1)
        box = np.zeros((3, 3)) if self.cell is None else self.cell.numpy()
        found = []
        for points in positions.detach().numpy():
            # A trajectory that has left all bounds is stopped for that.
            if not np.abs(points).max() < _FARTHEST:
                found.append(False)
                continue
            first, second, distances = search.compute(points, box, list(self.pbc), "ijd")
            own = limits[self.elements[first.astype(np.int64)], self.elements[second.astype(np.int64)]]
            found.append(bool((distances < own).any()))
        return torch.tensor(found)
