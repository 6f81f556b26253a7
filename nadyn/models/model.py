"""The face that every model shows: positions in, diabatic Hamiltonian out."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor

from nadyn.models.contacts import Contacts
from nadyn.models.listed_contacts import ListedContacts

Coordinates = Literal["cartesian", "generalised"]

CARTESIAN_LAWS = frozenset({"rotation", "reflection", "translation", "permutation"})


@dataclass(frozen=True)
class Evaluation:
    """What a model says of a batch of positions.

    Attributes:
        hamiltonian: Symmetric diabatic Hamiltonian W [hartree], float64, differentiable in the positions.
        novelty: Fraction of an atom's descriptors that lie more than one standard deviation beyond the
            extremes of the training set, of the worst atom; 1 where an atom's nearest neighbour is at a
            distance that training has not covered; 0 for models that know no training set. Not
            differentiable.
        levels: Eigenvalues and eigenvectors of W, where the model knows them without rounding; else None.
        charges: Of each atom [e], the same for all states, where a model has charges that act at all
            distances; else None.
        spin_blocks: Rows and states of each spin where W is made of several blocks, between which it is zero;
            else empty. The states are then ordered by spin, within one by energy.
    """

    hamiltonian: Float[Tensor, "traj basis basis"]
    novelty: Float[Tensor, "traj"]
    levels: tuple[Float[Tensor, "traj basis"], Float[Tensor, "traj basis basis"]] | None = None
    charges: Float[Tensor, "traj atom"] | None = None
    spin_blocks: tuple[tuple[int, int], ...] = ()


@runtime_checkable
class Model(Protocol):
    """A map from nuclear positions to a symmetric matrix, for one molecule with a fixed atom order.

    Attributes:
        name: Short name for files and reports.
        coordinates: "cartesian" (last axis 3) or "generalised" (each coordinate is an atom with its own
            mass, last axis 1).
        laws: Which of rotation, reflection, translation and permutation leave the energies unchanged.
        n_states: Number of adiabatic states, the lowest eigenvalues of W.
        n_basis: Rows of W; the surplus eigenvalues are no physical states.
        masses: Mass of each atom or coordinate [electron mass].
        atomic_numbers: One number an atom, or None for generalised coordinates.
        fixed_diabatic_basis: Whether diabatic populations have a meaning (analytic models: yes).
        block_width: Trajectories evaluated at once; batches are padded to it, so that the numbers of a
            trajectory do not depend on its batch.
        shortest_distances: How close the atoms of the molecule have come in the training set, or None.
    """

    name: str
    coordinates: Coordinates
    laws: frozenset[str]
    n_states: int
    n_basis: int
    masses: Float[Tensor, "atom"]
    atomic_numbers: tuple[int, ...] | None
    fixed_diabatic_basis: bool
    block_width: int
    shortest_distances: Contacts | ListedContacts | None

    def evaluate(self, positions: Float[Tensor, "traj atom x"]) -> Evaluation:
        """Return W and the novelty at `positions` [bohr, or the model's own generalised coordinate]."""
        ...


@runtime_checkable
class HasCell(Protocol):
    """What a model says beyond `Model` that can stand in a periodic cell.

    Attributes:
        cell: Cell vectors as rows [bohr], or None for an isolated molecule.
        pbc: Which directions are periodic.
    """

    cell: Float[Tensor, "3 3"] | None
    pbc: tuple[bool, bool, bool]
    n_states: int
    block_width: int

    def evaluate(
        self, positions: Float[Tensor, "traj atom 3"], *, cells: Float[Tensor, "traj 3 3"] | None = None
    ) -> Evaluation:
        """Return W and the novelty, where W can be differentiated in positions and cells; see `Model`."""
        ...


@runtime_checkable
class HasVectorRows(Protocol):
    """What a model says beyond `Model` where rows of W turn with the molecule.

    Attributes:
        vector_rows: First row of each three that are a vector: with W(gR) = D W(R) D^T, D is the rotation g
            there and 1 elsewhere.
    """

    vector_rows: tuple[int, ...]


@runtime_checkable
class HasOperators(Protocol):
    """What a model says beyond `Model` where it knows other operators in the basis of W.

    Between eigenvectors U of W they give the properties of states, all with one sign a state: the sign of the
    interstate couplings.

    Attributes:
        operators: Their names: "dipole" [e bohr] about the origin of the coordinates, "polarisability"
            [bohr³].
    """

    operators: tuple[str, ...]

    def operator(
        self, name: str, positions: Float[Tensor, "traj atom x"]
    ) -> Float[Tensor, "traj basis basis *xyz"]:
        """Return the operator at positions [bohr], float64, differentiable in them."""
        ...


@runtime_checkable
class HasReach(Protocol):
    """What a model says beyond `Model` in which atoms that are far apart do not feel each other.

    Attributes:
        reach: Distance [bohr] beyond which that is so, whoever is in between: the sight of an atom, or, with
            messages, as many times that as there are rounds of them.
    """

    reach: float


@runtime_checkable
class RowByRow(Protocol):
    """What a model says beyond `Model` whose rows may have the same bits in a batch of any width.

    Attributes:
        rows_at_once: How many trajectories are best evaluated at once, at most; None where only blocks of
            `block_width` keep the bits.
    """

    rows_at_once: int | None


@runtime_checkable
class InShortBlocks(Protocol):
    """What a model says beyond `Model` whose rows have the same bits in blocks that are shorter.

    Attributes:
        shortest_block: The least width for which that is so: blocks may be 1, 2, 4 and so on times as wide,
            up to `block_width`. What is done to each number alone keeps its bits from 64 on, which is whole
            vectors of any processor.
    """

    shortest_block: int


PullBack = Callable[[Float[Tensor, "traj basis basis"]], Float[Tensor, "traj atom x"]]


@runtime_checkable
class KnowsSlopes(Protocol):
    """What a model says beyond `Model` that may know the derivative of W without a graph of torch."""

    def evaluate_once(self, positions: Float[Tensor, "traj atom x"]) -> tuple[Evaluation, PullBack] | None:
        """Return what `evaluate` does, and ∂(Σ_ab C_ab W_ab)/∂R [hartree/bohr] as a function of C.

        None where only `evaluate` knows.
        """
        ...


@runtime_checkable
class Anticipates(Protocol):
    """What a model says beyond `Model` that wants to know of a whole batch what it is going to be asked."""

    def anticipate(
        self, positions: Float[Tensor, "traj atom x"], states: Int[Tensor, "traj"] | None = None
    ) -> None:
        """Hear that energies and the force of one state each are about to be asked, or all there is."""
        ...
