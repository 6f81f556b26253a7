"""Where the atoms of some structures are: what acts beyond the cutoff reads it."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Placement:
    """Positions and cells of structures of one composition, in the order of the structures of a batch.

    Attributes:
        positions: [bohr] float64, atoms sorted by element.
        numbers: Atomic numbers in that order.
        cells: Cell vectors as rows [bohr]; None for isolated molecules.
        pbc: Which directions are periodic.
        rows: Of joined structures the row of each atom in the surroundings, otherwise None.
    """

    positions: Float[Tensor, "traj atom 3"]
    numbers: tuple[int, ...]
    cells: Float[Tensor, "traj 3 3"] | None = None
    pbc: tuple[bool, bool, bool] = (False, False, False)
    rows: Int[Tensor, "atom traj"] | None = None

    @property
    def is_periodic(self) -> bool:
        return any(self.pbc)

    def of_structures(self, values: Float[Tensor, "row column"]) -> Float[Tensor, "traj atom"]:
        """Return what these structures have of values of all atoms of the surroundings."""
        if self.rows is None:
            return values.transpose(0, 1)
        chosen = values[:, 0].index_select(0, self.rows.flatten())
        return chosen.unflatten(0, self.rows.shape).transpose(0, 1)

    def element_index(self, elements: tuple[int, ...]) -> Int[Tensor, "atom"]:
        """Return the place of each atom's element in a list of elements."""
        found = [elements.index(number) for number in self.numbers]
        return torch.tensor(found, device=self.positions.device)
