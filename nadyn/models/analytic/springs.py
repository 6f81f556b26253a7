"""Molecules of springs: Cartesian models whose minima, Hessians and laws are known by heart."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nadyn.checks.errors import InputError
from nadyn.models.model import CARTESIAN_LAWS, Coordinates, Evaluation
from nadyn.structures import masses


@dataclass(frozen=True, eq=False)
class Springs:
    """Springs between all pairs of atoms, for every element of the diabatic Hamiltonian.

    W_ab = C_ab + Σ_{i<j} k_ab(Z_i, Z_j) (r_ij - l_ab(Z_i, Z_j))² / 2

    Attributes:
        atomic_numbers: One number an atom.
        constant: C_ab [hartree].
        stiffness: k_ab of every pair of atoms [hartree/bohr²].
        lengths: l_ab of every pair of atoms [bohr].
        pairs: The two atoms of every pair.
        starting_geometry: Positions near the minimum [bohr], or None.
    """

    atomic_numbers: tuple[int, ...]
    constant: Float[Tensor, "basis basis"]
    stiffness: Float[Tensor, "pair basis basis"]
    lengths: Float[Tensor, "pair basis basis"]
    pairs: Int[Tensor, "two pair"]
    starting_geometry: Float[Tensor, "atom 3"] | None

    name: ClassVar[str] = "springs"
    coordinates: ClassVar[Coordinates] = "cartesian"
    laws: ClassVar[frozenset[str]] = CARTESIAN_LAWS
    fixed_diabatic_basis: ClassVar[bool] = True
    block_width: ClassVar[int] = 64
    shortest_distances: ClassVar[None] = None

    @property
    def n_states(self) -> int:
        return len(self.constant)

    @property
    def n_basis(self) -> int:
        return len(self.constant)

    @property
    def masses(self) -> Float[Tensor, "atom"]:
        return torch.from_numpy(masses(self.atomic_numbers))

    def evaluate(self, positions: Float[Tensor, "traj atom 3"]) -> Evaluation:
        """Return W [hartree] at positions [bohr]."""
        separation = positions[:, self.pairs[1]] - positions[:, self.pairs[0]]
        distance = torch.linalg.vector_norm(separation, dim=-1)[..., None, None]
        hamiltonian = self.constant + (0.5 * self.stiffness * (distance - self.lengths) ** 2).sum(1)
        return Evaluation(hamiltonian, torch.zeros_like(positions[:, 0, 0]))


def springs(
    starting_geometry: Float[Tensor, "atom 3"],
    atomic_numbers: tuple[int, ...],
    *,
    constant: Float[Tensor, "basis basis"],
    stiffness: Float[Tensor, "basis basis species species"],
    lengths: Float[Tensor, "basis basis species species"],
) -> Springs:
    """Return a molecule of springs whose constants depend on the two elements that a spring joins.

    Args:
        starting_geometry: Positions near the minimum [bohr].
        atomic_numbers: One number an atom; the species are these numbers in ascending order.
        constant: C_ab [hartree], symmetric.
        stiffness: k_ab by species [hartree/bohr²], symmetric in the states and in the species.
        lengths: l_ab by species [bohr], symmetric likewise.

    Raises:
        InputError: An array is not symmetric.
    """
    for name, array in (("constant", constant), ("stiffness", stiffness), ("lengths", lengths)):
        turned = array.transpose(0, 1)
        if not torch.equal(array, turned) or not torch.equal(array, array.transpose(-1, -2)):
            raise InputError(f"`{name}` must be symmetric in states and in species, but is not.")
    species = sorted(set(atomic_numbers))
    index = torch.tensor([species.index(number) for number in atomic_numbers])
    pairs = torch.triu_indices(len(atomic_numbers), len(atomic_numbers), offset=1)
    kind = (index[pairs[0]], index[pairs[1]])
    return Springs(
        atomic_numbers=tuple(atomic_numbers),
        constant=constant,
        stiffness=stiffness[:, :, kind[0], kind[1]].permute(2, 0, 1).contiguous(),
        lengths=lengths[:, :, kind[0], kind[1]].permute(2, 0, 1).contiguous(),
        pairs=pairs,
        starting_geometry=starting_geometry,
    )
