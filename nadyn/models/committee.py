"""Several networks that learned the same surfaces: one of them moves the nuclei, the others judge it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.checks.errors import InputError
from nadyn.models.calibration import Calibration
from nadyn.models.contacts import Contacts
from nadyn.models.learned import LearnedModel
from nadyn.models.listed_contacts import ListedContacts
from nadyn.models.model import Coordinates, Evaluation, PullBack
from nadyn.models.molecules import Molecule


@dataclass(frozen=True)
class Committee:
    """Members that are evaluated together; as a `Model` it is one of them.

    Mean and spread are taken of surfaces, never of W, whose gauge is each member's own; see
    `nadyn.electronic.committee`.

    Attributes:
        members: Bound to the same atoms in the same order.
        calibration: From the spread of the members to their errors; None where it is not known.
        member: Which member it is as a model.
        trained_on: What the whole was trained on, for reports: frames that no member has seen, seeds.
    """

    members: tuple[LearnedModel, ...]
    calibration: Calibration | None = None
    member: int = 0
    trained_on: dict[str, object] | None = None

    coordinates: ClassVar[Coordinates] = "cartesian"
    fixed_diabatic_basis: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if len(self.members) < 2:
            raise InputError(f"a committee must have 2 members or more, but has {len(self.members)}.")
        first = self.members[0]
        for other in self.members[1:]:
            for name in ("atomic_numbers", "n_states", "pbc"):
                one, two = getattr(first, name), getattr(other, name)
                if one != two:
                    raise InputError(
                        f"members of a committee must agree in `{name}`, but have {one} and {two}."
                    )
        if not 0 <= self.member < len(self.members):
            raise InputError(
                f"`member` must be from 0 to {len(self.members) - 1}, a member of the committee, but is "
                f"{self.member}."
            )

    @property
    def bound(self) -> LearnedModel:
        """The member that it is as a model."""
        return self.members[self.member]

    @property
    def others(self) -> tuple[LearnedModel, ...]:
        """All members but the one that it is as a model."""
        return (*self.members[: self.member], *self.members[self.member + 1 :])

    @property
    def name(self) -> str:
        return self.bound.name

    @property
    def laws(self) -> frozenset[str]:
        return self.bound.laws

    @property
    def n_states(self) -> int:
        return self.bound.n_states

    @property
    def n_basis(self) -> int:
        return self.bound.n_basis

    @property
    def vector_rows(self) -> tuple[int, ...]:
        return self.bound.vector_rows

    @property
    def reach(self) -> float:
        return max(member.reach for member in self.members)

    @property
    def masses(self) -> Float[Tensor, "atom"]:
        return self.bound.masses

    @property
    def atomic_numbers(self) -> tuple[int, ...]:
        return self.bound.atomic_numbers

    @property
    def block_width(self) -> int:
        return self.bound.block_width

    @property
    def rows_at_once(self) -> int | None:
        """See `RowByRow`."""
        return self.bound.rows_at_once

    @property
    def evaluation(self) -> str:
        """Which path it takes here, in words."""
        return self.bound.evaluation

    @property
    def shortest_distances(self) -> Contacts | ListedContacts | None:
        return self.bound.shortest_distances

    @property
    def multiplicities(self) -> tuple[int, ...]:
        return self.bound.multiplicities

    @property
    def molecules(self) -> tuple[Molecule, ...]:
        return self.bound.molecules

    @property
    def starting_geometry(self) -> Float[Tensor, "atom 3"] | None:
        return self.bound.starting_geometry

    @property
    def cell(self) -> Float[Tensor, "3 3"] | None:
        return self.bound.cell

    @property
    def pbc(self) -> tuple[bool, bool, bool]:
        return self.bound.pbc

    @property
    def own_masses(self) -> tuple[float, ...]:
        return self.bound.own_masses

    @property
    def unknown_composition(self) -> str | None:
        """See `LearnedModel.unknown_composition`."""
        return self.bound.unknown_composition

    def evaluate(
        self, positions: Float[Tensor, "traj atom 3"], *, cells: Float[Tensor, "traj 3 3"] | None = None
    ) -> Evaluation:
        """Return W [hartree] and the novelty of one member, see `LearnedModel.evaluate`."""
        return self.bound.evaluate(positions, cells=cells)

    def evaluate_once(self, positions: Float[Tensor, "traj atom 3"]) -> tuple[Evaluation, PullBack] | None:
        """See `KnowsSlopes`."""
        return self.bound.evaluate_once(positions)

    @property
    def operators(self) -> tuple[str, ...]:
        return self.bound.operators

    @property
    def charge_of_dipole(self) -> int:
        return self.bound.charge_of_dipole

    def operator(
        self, name: str, positions: Float[Tensor, "traj atom 3"]
    ) -> Float[Tensor, "traj basis basis *xyz"]:
        """Return an operator of the member that it is as a model, see `HasOperators`."""
        return self.bound.operator(name, positions)

    def running_on(self, member: int) -> "Committee":
        """Return the same committee as another one of its members.

        Raises:
            InputError: There is no such member.
        """
        return replace(self, member=member)

    def map(self, function: Callable[[LearnedModel], LearnedModel]) -> "Committee":
        """Return the committee of what the function makes of each member."""
        return replace(self, members=tuple(map(function, self.members)))

    def for_molecule(self, name: str) -> "Committee":
        """See `LearnedModel.for_molecule`."""
        return self.map(lambda member: member.for_molecule(name))

    def for_atoms(
        self,
        atomic_numbers: tuple[int, ...],
        *,
        cell: Float[Tensor, "3 3"] | None = None,
        pbc: tuple[bool, bool, bool] = (False, False, False),
    ) -> "Committee":
        """See `LearnedModel.for_atoms`."""
        return self.map(lambda member: member.for_atoms(atomic_numbers, cell=cell, pbc=pbc))

    @property
    def device(self) -> torch.device:
        """See `LearnedModel.device`."""
        return self.bound.device

    def to(self, device: torch.device | str) -> "Committee":
        """See `LearnedModel.to`."""
        return self.map(lambda member: member.to(device))

    def double(self) -> LearnedModel:
        """Return the member that it is as a model, in float64."""
        return self.bound.double()
