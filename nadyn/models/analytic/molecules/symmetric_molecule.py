"""The shared face of the molecules in this folder."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.models.model import CARTESIAN_LAWS, Coordinates, Evaluation
from nadyn.structures import masses


@dataclass(frozen=True, eq=False)
class SymmetricMolecule:
    """A formula W(R) whose eigenvalues do not change under rotation, reflection and exchange of like atoms.

    Attributes:
        starting_geometry: The geometry of highest symmetry that the formula is written around [bohr].
        formula: Returns W [hartree] at positions [bohr].
        fixed_diabatic_basis: False where the rows of W turn with the molecule.
    """

    name: str
    atomic_numbers: tuple[int, ...]
    starting_geometry: Float[Tensor, "atom 3"]
    n_states: int
    n_basis: int
    formula: Callable[[Tensor], Tensor]
    fixed_diabatic_basis: bool = True

    coordinates: ClassVar[Coordinates] = "cartesian"
    laws: ClassVar[frozenset[str]] = CARTESIAN_LAWS
    block_width: ClassVar[int] = 64
    shortest_distances: ClassVar[None] = None

    @property
    def masses(self) -> Float[Tensor, "atom"]:
        return torch.from_numpy(masses(self.atomic_numbers))

    @property
    def vector_rows(self) -> tuple[int, ...]:
        return () if self.fixed_diabatic_basis else (0,)

    def evaluate(self, positions: Float[Tensor, "traj atom 3"]) -> Evaluation:
        """Return W [hartree] at positions [bohr]."""
        return Evaluation(self.formula(positions), torch.zeros_like(positions[:, 0, 0]))


def two_by_two(
    first: Float[Tensor, "traj"], second: Float[Tensor, "traj"], coupling: Float[Tensor, "traj"]
) -> Float[Tensor, "traj 2 2"]:
    """Return the symmetric matrix with these diagonal elements and this one beside them."""
    return torch.stack([first, coupling, coupling, second], dim=-1).unflatten(-1, (2, 2))
