"""Learned potentials of several spins, and the spin-orbit coupling that was learned between them."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.checks.errors import InputError
from nadyn.models.contacts import Contacts
from nadyn.models.heads.spin_orbit import SpinBlock, SpinOrbitHead
from nadyn.models.learned import LearnedModel
from nadyn.models.listed_contacts import ListedContacts
from nadyn.models.matrix.basis import parse_basis
from nadyn.models.model import CARTESIAN_LAWS, Coordinates, Evaluation
from nadyn.models.molecules import Molecule


@dataclass(frozen=True)
class SpinCoupled:
    """W of each spin, one after the other, and the vectors of the spin-orbit coupling between their rows.

    Attributes:
        blocks: A model for each multiplicity, ascending, bound to the same atoms.
        head: Gives the vectors from what the encoder of the first block sees.
        trained_on: What the head was trained on, for reports.
    """

    blocks: tuple[LearnedModel, ...]
    head: SpinOrbitHead
    trained_on: dict[str, object] = field(default_factory=dict)

    coordinates: ClassVar[Coordinates] = "cartesian"
    fixed_diabatic_basis: ClassVar[bool] = False
    cell: ClassVar[None] = None
    pbc: ClassVar[tuple[bool, bool, bool]] = (False, False, False)

    def __post_init__(self) -> None:
        check_blocks(self.blocks)

    @property
    def name(self) -> str:
        return "-".join(block.name for block in self.blocks)

    @property
    def laws(self) -> frozenset[str]:
        return CARTESIAN_LAWS

    @property
    def n_states(self) -> int:
        return sum(block.n_states for block in self.blocks)

    @property
    def n_basis(self) -> int:
        return sum(block.n_basis for block in self.blocks)

    @property
    def multiplicities(self) -> tuple[int, ...]:
        """2S + 1 of each state."""
        return tuple(spin for block in self.blocks for spin in block.multiplicities)

    @property
    def row_multiplicities(self) -> tuple[int, ...]:
        """2S + 1 of each row of W."""
        return tuple(block.multiplicities[0] for block in self.blocks for _ in range(block.n_basis))

    @property
    def masses(self) -> Float[Tensor, "atom"]:
        return self.blocks[0].masses

    @property
    def own_masses(self) -> tuple[float, ...]:
        return self.blocks[0].own_masses

    @property
    def atomic_numbers(self) -> tuple[int, ...]:
        return self.blocks[0].atomic_numbers

    @property
    def block_width(self) -> int:
        return self.blocks[0].block_width

    @property
    def shortest_distances(self) -> Contacts | ListedContacts | None:
        return self.blocks[0].shortest_distances

    @property
    def starting_geometry(self) -> Float[Tensor, "atom 3"] | None:
        return self.blocks[0].starting_geometry

    @property
    def molecules(self) -> tuple[Molecule, ...]:
        return self.blocks[0].molecules

    @property
    def reach(self) -> float:
        return max(block.reach for block in self.blocks)

    @property
    def evaluation(self) -> str:
        """Which path it takes here, in words."""
        return self.blocks[0].evaluation

    @property
    def unknown_composition(self) -> str | None:
        """See `LearnedModel.unknown_composition`."""
        return self.blocks[0].unknown_composition

    def evaluate(self, positions: Float[Tensor, "traj atom 3"]) -> Evaluation:
        """Return W [hartree], block by block, and the novelty of the block that knows least.

        The states, which come first among the levels, are those of each block: ordered by multiplicity, then
        by energy.
        """
        found = [block.evaluate(positions) for block in self.blocks]
        n = self.n_basis
        padded, row = [], 0
        for one in found:
            size = one.hamiltonian.shape[1]
            after = n - row - size
            padded.append(torch.nn.functional.pad(one.hamiltonian, (row, after, row, after)))
            row += size
        hamiltonian = sum(padded[1:], padded[0])
        novelty = torch.stack([one.novelty for one in found]).amax(dim=0)
        return Evaluation(hamiltonian, novelty, spin_blocks=self.spin_blocks)

    @property
    def spin_blocks(self) -> tuple[tuple[int, int], ...]:
        """Rows and states of each spin."""
        return tuple((block.n_basis, block.n_states) for block in self.blocks)

    def spin_orbit_vectors(self, positions: Float[Tensor, "traj atom 3"]) -> Float[Tensor, "traj row row2 3"]:
        """Return v [hartree] between the rows of W, see `nadyn.models.spin_vectors`; differentiable."""
        first = self.blocks[0]
        surroundings = first.surroundings(positions)
        return self.head(first.potential.network.encoder(surroundings), surroundings)

    def map(self, function: Callable[[LearnedModel], LearnedModel]) -> "SpinCoupled":
        """Return the model of what the function makes of each block."""
        return replace(self, blocks=tuple(map(function, self.blocks)))

    def for_atoms(
        self,
        atomic_numbers: tuple[int, ...],
        *,
        cell: Float[Tensor, "3 3"] | None = None,
        pbc: tuple[bool, bool, bool] = (False, False, False),
    ) -> "SpinCoupled":
        """See `LearnedModel.for_atoms`.

        Raises:
            InputError: Other elements, or a cell.
        """
        return self.map(lambda block: block.for_atoms(atomic_numbers, cell=cell, pbc=pbc))

    def for_molecule(self, name: str) -> "SpinCoupled":
        """See `LearnedModel.for_molecule`."""
        return self.map(lambda block: block.for_molecule(name))

    def double(self) -> "SpinCoupled":
        """Return a copy that computes everything in float64."""
        return replace(self.map(LearnedModel.double), head=copy.deepcopy(self.head).double())


def check_blocks(blocks: tuple[LearnedModel, ...]) -> None:
    """Refuse models that are no blocks of one molecule.

    Raises:
        InputError: One sentence.
    """
    if len(blocks) < 1:
        raise InputError("a model with spin-orbit coupling must have a model of each spin, but has none.")
    spins = []
    for block in blocks:
        own = set(block.multiplicities)
        if len(own) != 1:
            raise InputError(
                f"each model to be coupled must be of states of one multiplicity, but {block.name} has "
                f"{list(block.multiplicities) or 'none that its file tells'}."
            )
        if block.cell is not None:
            raise InputError(
                f"models to be coupled must be of isolated molecules, but {block.name} is in a periodic cell."
            )
        spins.append(own.pop())
    if spins != sorted(set(spins)):
        raise InputError(
            f"models to be coupled must be of different multiplicities, ascending, but are of {spins}. Give "
            "one model for each, lowest first."
        )
    if spins == [1]:
        raise InputError(
            "singlets have no spin-orbit coupling among themselves: give a model of triplets beside that of "
            f"{blocks[0].name}."
        )
    for block in blocks:
        if block.potential.numbered is not None:
            raise InputError(
                "models to be coupled must have rows that keep their sign under exchanges of atoms, but "
                f"those of {block.name} are {block.potential.settings.basis}."
            )
    first = blocks[0]
    for other in blocks[1:]:
        if other.atomic_numbers != first.atomic_numbers:
            raise InputError(
                f"models to be coupled must be of the same atoms in the same order, but {first.name} is of "
                f"{list(first.atomic_numbers)} and {other.name} of {list(other.atomic_numbers)}."
            )


def new_head(blocks: tuple[LearnedModel, ...]) -> SpinOrbitHead:
    """Return an untrained head between the rows of these blocks, in the precision of the first."""
    parts = [
        SpinBlock(parse_basis(block.potential.settings.basis), block.multiplicities[0]) for block in blocks
    ]
    head = SpinOrbitHead(parts, blocks[0].potential.network)
    return head.double() if blocks[0].precision == torch.float64 else head
