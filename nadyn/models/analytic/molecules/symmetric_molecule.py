"""The shared face of the molecules in this folder, and the atom sums that their formulas are made of."""

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


def distance(positions: Float[Tensor, "traj atom 3"], first: int, second: int) -> Float[Tensor, "traj"]:
    """Return the distance of two atoms [bohr]."""
    return torch.linalg.vector_norm(positions[:, second] - positions[:, first], dim=-1)


def dot(left: Float[Tensor, "traj 3"], right: Float[Tensor, "traj 3"]) -> Float[Tensor, "traj"]:
    """Return the scalar product."""
    return (left * right).sum(-1)


def triple_product(
    first: Float[Tensor, "traj 3"], second: Float[Tensor, "traj 3"], third: Float[Tensor, "traj 3"]
) -> Float[Tensor, "traj"]:
    """Return a·(b × c), which changes sign under reflection and under exchange of two of the vectors."""
    return dot(first, torch.linalg.cross(second, third))


def ligand_vector(
    positions: Float[Tensor, "traj atom 3"], centre: int, ligands: tuple[int, ...], reach: float
) -> Float[Tensor, "traj 3"]:
    """Return Σ_k exp(-(r_k/reach)²) r_k over the vectors from an atom to like ligands.

    All like atoms are in the sum, so that it does not change when they are exchanged; the weight prefers
    those that are bound to the centre.
    """
    vectors = positions[:, list(ligands)] - positions[:, centre : centre + 1]
    weight = torch.exp(-(vectors * vectors).sum(-1, keepdim=True) / reach**2)
    return (weight * vectors).sum(1)


def spring(r: Float[Tensor, "traj"], stiffness: float, length: float) -> Float[Tensor, "traj"]:
    """Return k (r - l)² / 2."""
    return 0.5 * stiffness * (r - length) ** 2


def two_length_spring(
    r: Float[Tensor, "traj"], stiffness: float, short: float, long: float
) -> Float[Tensor, "traj"]:
    """Return k (r - l₁)² (r - l₂)² / 2 (l₂ - l₁)², a spring of stiffness k at each of two lengths.

    For pairs of like atoms of which some are bound and some are not: all have the same function.
    """
    return 0.5 * stiffness * ((r - short) * (r - long) / (long - short)) ** 2
