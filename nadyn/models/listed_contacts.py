"""How close atoms come in crystals and large structures: by a neighbour list, images included."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from nadyn.data.kept_neighbors import KeptNeighbors, candidates

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
        order: The atoms sorted by element.
        kept: Lists of the neighbours of the sorted atoms.
    """

    elements: Int[np.ndarray, "atom"]
    shortest: Float[Tensor, "element element"]
    cell: Float[Tensor, "3 3"] | None
    pbc: tuple[bool, bool, bool]
    order: Int[Tensor, "atom"]
    kept: KeptNeighbors

    def any_closer(
        self,
        positions: Float[Tensor, "traj atom 3"],
        fraction: float,
        *,
        cells: Float[Tensor, "traj 3 3"] | None = None,
    ) -> Bool[Tensor, "traj"]:
        """Tell where a distance, also to an image, is below a fraction of the shortest in training.

        Args:
            positions: [bohr]
            fraction: Of the shortest distance.
            cells: Cell of each row [bohr], where it is another one than that of the model.
        """
        limits = torch.where(torch.isfinite(self.shortest), fraction * self.shortest, 0.0)
        longest = float(limits.max())
        result = positions.new_zeros(len(positions), dtype=torch.bool)
        if longest <= 0:
            return result
        elements = torch.from_numpy(self.elements)[self.order.cpu()]
        for row, points in enumerate(positions.detach()):
            # A trajectory that has left all bounds is stopped for that.
            if not float(points.abs().max()) < _FARTHEST:
                continue
            ordered, cell = points[self.order], self.cell if cells is None else cells[row]
            if longest <= self.kept.cutoff:
                pairs = self.kept.candidates(ordered, cell)
            else:
                pairs = candidates(self.elements[self.order.cpu().numpy()], ordered, cell, self.pbc, longest)
            of_pairs = limits.to(points.device)
            if len(limits) > 1:
                of_elements = elements.to(points.device)
                of_pairs = of_pairs[of_elements[pairs.centre.long()], of_elements[pairs.other.long()]]
            result[row] = (pairs.squared_distances(ordered, cell) < of_pairs * of_pairs).any()
        return result
