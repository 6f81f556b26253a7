"""A trained network bound to one molecule: the object that dynamics and users hold."""

import copy
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.checks.counts import counted
from nadyn.checks.errors import InputError
from nadyn.checks.nearest import nearest
from nadyn.data.kept_neighbors import KeptNeighbors
from nadyn.data.neighbors import LARGEST_DENSE_MOLECULE, listed_neighbors
from nadyn.models.contacts import Contacts, contacts_by_element, contacts_of
from nadyn.models.kernels.listed_path import path_of
from nadyn.models.listed_contacts import ListedContacts
from nadyn.models.model import CARTESIAN_LAWS, Coordinates, Evaluation, PullBack
from nadyn.models.molecules import Molecule, undetermined
from nadyn.models.potential import Potential
from nadyn.models.structure_checks import check_structure
from nadyn.models.surroundings import Surroundings, all_pairs, listed_pairs, near_pairs
from nadyn.structures import masses, symbol

# Rows of atoms in a block. Measured on hexafluorobutene, microseconds a trajectory at 96, 192, 384, 768 and
# 3072 rows: 557, 387, 328, 294, 292. Wider blocks gain little and fill up worse.
ATOM_ROWS = 400
# The same on another device, which promises no bits and is fast with many.
DEVICE_ATOM_ROWS = 200_000


@dataclass(frozen=True)
class LearnedModel:
    """A learned model of one molecule with a fixed order of atoms; see `Model` for the shared face.

    Attributes:
        potential: What was trained; it serves any molecule made of its elements.
        molecules: All that it was trained on, in the order of the dataset, see `for_molecule`; empty where a
            file does not say.
        starting_geometry: Lowest frame of the training set for this molecule [bohr], or None.
        shortest_by_element: Shortest distance of each pair of elements in training [bohr].
        trained_on: What the model was trained on, for reports.
        cell: Cell vectors as rows [bohr], or None for an isolated molecule.
        own_masses: Mass of each atom [electron mass], see `with_isotopes`; empty for those of the most
            abundant isotopes.
    """

    name: str
    potential: Potential
    atomic_numbers: tuple[int, ...]
    starting_geometry: Float[Tensor, "atom 3"] | None
    shortest_by_element: Float[Tensor, "element element"]
    trained_on: dict[str, object] = field(default_factory=dict)
    cell: Float[Tensor, "3 3"] | None = None
    pbc: tuple[bool, bool, bool] = (False, False, False)
    precision: torch.dtype = torch.float32
    multiplicities: tuple[int, ...] = ()
    molecules: tuple[Molecule, ...] = ()
    own_masses: tuple[float, ...] = ()

    coordinates: ClassVar[Coordinates] = "cartesian"
    fixed_diabatic_basis: ClassVar[bool] = False

    def __post_init__(self) -> None:
        known = self.potential.network.elements
        unknown = sorted({symbol(number) for number in self.atomic_numbers if number not in known})
        if unknown:
            raise InputError(
                "`atomic_numbers` must be of elements that the model knows "
                f"({', '.join(map(symbol, known))}), but contain {', '.join(unknown)}. "
                "Train a model on data with these elements."
            )
        check_structure(self.potential, self.atomic_numbers, self.cell, self.pbc)
        order = np.argsort(np.array(self.atomic_numbers), kind="stable")
        object.__setattr__(self, "order", torch.from_numpy(order).to(self.device))
        object.__setattr__(self, "sorted_numbers", tuple(self.atomic_numbers[i] for i in order))
        kept = KeptNeighbors(self.sorted_numbers, self.potential.network.cutoff, self.pbc)
        object.__setattr__(self, "kept_neighbors", kept)
        object.__setattr__(self, "shortest_distances", self._contacts())
        path = path_of(
            self.potential, order.tolist(), self.precision, kept, numbers=self.sorted_numbers, cell=self.cell
        )
        object.__setattr__(self, "fast_path", path)

    @property
    def device(self) -> torch.device:
        """Where it computes; positions must be there."""
        return self.potential.reference.scale.device

    @property
    def laws(self) -> frozenset[str]:
        laws = CARTESIAN_LAWS if self.cell is None else frozenset({"translation", "permutation"})
        return laws if self.potential.numbered is None else laws - {"permutation"}

    @property
    def n_states(self) -> int:
        return self.potential.n_states

    @property
    def n_basis(self) -> int:
        return self.potential.n_basis

    @property
    def vector_rows(self) -> tuple[int, ...]:
        return self.potential.vector_rows

    @property
    def masses(self) -> Float[Tensor, "atom"]:
        if self.own_masses:
            return torch.tensor(self.own_masses, dtype=torch.float64, device=self.device)
        return torch.from_numpy(masses(self.atomic_numbers)).to(self.device)

    @property
    def block_width(self) -> int:
        if self.device.type != "cpu":
            return max(1, DEVICE_ATOM_ROWS // len(self.atomic_numbers))
        # Lists are as wide as the most crowded atom of all rows asks for, so that each row is one of its own;
        # and copies of a large structure, to fill up a block, would cost more than they keep.
        return 1 if self.is_listed else block_width(len(self.atomic_numbers))

    @property
    def rows_at_once(self) -> int | None:
        """See `RowByRow`."""
        return self.fast_path.rows_at_once

    @property
    def evaluation(self) -> str:
        """Which path it takes here, in words."""
        return self.fast_path.in_words()

    @property
    def is_listed(self) -> bool:
        """Whether each atom has a list of neighbours: in a cell, and among many; else all see all."""
        return self.cell is not None or len(self.atomic_numbers) > LARGEST_DENSE_MOLECULE

    @property
    def reach(self) -> float:
        """Distance [bohr] beyond which no atom changes what another one adds, see `EncoderSettings`."""
        return self.potential.network.reach

    @property
    def unknown_composition(self) -> str | None:
        """A sentence where the training does not determine the energies of these atoms, otherwise None."""
        if len(self.molecules) < len(self.trained_on.get("groups", ())):
            # A file of the first days names one molecule of several.
            return None
        return undetermined(tuple(one.atomic_numbers for one in self.molecules), self.atomic_numbers)

    def _contacts(self) -> Contacts | ListedContacts:
        elements = self.potential.network.elements
        if self.is_listed:
            index = np.array([elements.index(number) for number in self.atomic_numbers])
            return ListedContacts(
                index, self.shortest_by_element, self.cell, self.pbc, self.order, self.kept_neighbors
            )
        for molecule in self.molecules:
            same = tuple(sorted(molecule.atomic_numbers)) == self.sorted_numbers
            if same and molecule.contacts is not None:
                return contacts_of(self.atomic_numbers, molecule.contacts).to(self.device)
        by_element = contacts_by_element(self.atomic_numbers, elements, self.shortest_by_element)
        return by_element.to(self.device)

    def evaluate(
        self, positions: Float[Tensor, "traj atom 3"], *, cells: Float[Tensor, "traj 3 3"] | None = None
    ) -> Evaluation:
        """Return W [hartree], novelty and charges at positions [bohr], by default in the cell of the model.

        Args:
            positions: [bohr]
            cells: Cell of each row [bohr], where it is another one; W can be differentiated in it.
        """
        fast = self.fast_path.evaluate(positions, self._cells(positions, cells), self._reference)
        if fast is not None:
            return Evaluation(*fast)
        surroundings = self.surroundings(positions, cells=cells)
        found = self.potential.evaluate(surroundings)
        charges = None if found.charges is None else found.charges[0][:, torch.argsort(self.order)]
        return Evaluation(found.hamiltonian, found.novelty, charges=charges)

    def evaluate_once(self, positions: Float[Tensor, "traj atom 3"]) -> tuple[Evaluation, PullBack] | None:
        """See `KnowsSlopes`."""
        found = self.fast_path.evaluate_once(positions, self._cells(positions), self._reference)
        if found is None:
            return None
        hamiltonian, novelty, pull_back = found
        return Evaluation(hamiltonian, novelty), pull_back

    def _reference(
        self, positions: Float[Tensor, "traj atom 3"], cells: Float[Tensor, "traj 3 3"] | None = None
    ) -> tuple[Float[Tensor, "traj basis basis"], Float[Tensor, "traj"]]:
        """Return W and the novelty by the networks of torch."""
        found = self.potential.evaluate(self.surroundings(positions, cells=cells))
        return found.hamiltonian, found.novelty

    @property
    def operators(self) -> tuple[str, ...]:
        """Names of the operators that it knows beside W; in a cell there is no dipole."""
        return tuple(name for name in self.potential.heads if name != "dipole" or self.cell is None)

    @property
    def charge_of_dipole(self) -> int:
        """Total charge [e] that its dipoles are of; 0 where it knows none."""
        return self.potential.heads["dipole"].settings.charge if "dipole" in self.potential.heads else 0

    def operator(
        self, name: str, positions: Float[Tensor, "traj atom 3"]
    ) -> Float[Tensor, "traj basis basis *xyz"]:
        """Return an operator in the basis of W [atomic units], see `HasOperators`."""
        return self.potential.operator(name, self.surroundings(positions))

    def surroundings(
        self, positions: Float[Tensor, "traj atom 3"], *, cells: Float[Tensor, "traj 3 3"] | None = None
    ) -> Surroundings:
        """Return the neighbourhood of every atom, sorted by element; see `evaluate`."""
        cutoff = self.potential.network.cutoff
        ordered = positions[:, self.order]
        if not self.is_listed:
            return all_pairs(ordered, self.sorted_numbers, cutoff, self.precision)
        cells = self._cells(positions, cells)
        if len(positions) == 1:
            box = None if cells is None else cells[0].detach()
            near = self.kept_neighbors.near(ordered[0].detach(), box)
            return near_pairs(ordered, cells, near, self.sorted_numbers, cutoff, self.precision, self.pbc)
        numbers = torch.tensor(self.sorted_numbers)
        neighbors = listed_neighbors(numbers, ordered.detach(), cutoff=cutoff, cell=cells, pbc=self.pbc)
        return listed_pairs(ordered, cells, neighbors, self.sorted_numbers, cutoff, self.precision, self.pbc)

    def _cells(
        self, positions: Float[Tensor, "traj atom 3"], cells: Float[Tensor, "traj 3 3"] | None = None
    ) -> Float[Tensor, "traj 3 3"] | None:
        """Return the cell of each row, that of the model where no other is given."""
        if cells is None and self.cell is not None:
            return self.cell.to(positions.device).expand(len(positions), 3, 3)
        return cells

    def for_molecule(self, name: str) -> "LearnedModel":
        """Return the model bound to another molecule of its training, with that one's starting geometry.

        Raises:
            InputError: It was not trained on a molecule of that name.
        """
        for molecule in self.molecules:
            if molecule.name == name:
                return replace(
                    self,
                    atomic_numbers=molecule.atomic_numbers,
                    starting_geometry=molecule.starting_geometry,
                    cell=molecule.cell,
                    pbc=molecule.pbc,
                    own_masses=(),
                )
        known = [molecule.name for molecule in self.molecules]
        near = nearest(name, known)
        listed = ", ".join(
            f"{molecule.name} ({counted(molecule.n_frames, 'frame')})" for molecule in self.molecules
        )
        raise InputError(
            f"the molecule must be one that model {self.name} was trained on "
            f"({listed or 'its file names none'}), but is {name!r}."
            + (f" Did you mean {near!r}?" if near else "")
        )

    def for_atoms(
        self,
        atomic_numbers: tuple[int, ...],
        *,
        cell: Float[Tensor, "3 3"] | None = None,
        pbc: tuple[bool, bool, bool] = (False, False, False),
    ) -> "LearnedModel":
        """Return the same network for any other atoms, or another order of them, without a geometry.

        Raises:
            InputError: An element is not known to the network.
        """
        return replace(
            self,
            atomic_numbers=tuple(atomic_numbers),
            starting_geometry=None,
            cell=cell,
            pbc=pbc,
            own_masses=(),
        )

    def to(self, device: torch.device | str) -> "LearnedModel":
        """Return a copy that computes on another device, for positions that are there; `double` keeps it.

        What it knows of its training (geometries, cells, distances) stays on the processor.
        """
        return replace(self, potential=copy.deepcopy(self.potential).to(device))

    def double(self) -> "LearnedModel":
        """Return a copy that computes everything in float64: for Hessians and numeric derivatives."""
        return replace(self, potential=copy.deepcopy(self.potential).double(), precision=torch.float64)


def block_width(n_atoms: int) -> int:
    """Return the number of trajectories in a block: about `ATOM_ROWS` atoms, a multiple of 8."""
    return max(8, 8 * round(ATOM_ROWS / n_atoms / 8))
