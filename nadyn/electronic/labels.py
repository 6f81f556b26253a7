"""What quantum chemistry is asked, and what it answers: a geometry, its label, and how far to trust it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from nadyn.electronic.diabatic.links import Links
from nadyn.electronic.diabatic.states import Overlaps


class Quality(IntEnum):
    """How far a label is to be trusted; only trusted ones train a model."""

    TRUSTED = 0
    DOUBTFUL = 1
    FAILED = 2


@dataclass(frozen=True)
class Label:
    """The answer of a source for one geometry, in atomic units.

    A failed label may hold NaN everywhere; what a source does not give is None.

    Attributes:
        quality: Trusted, doubtful or failed.
        reason: One sentence why it is not trusted; empty where it is.
        energies: Adiabatic energies [hartree], ordered by multiplicity, then by energy.
        forces: -∂E_k/∂R [hartree/bohr].
        interstate_couplings: h_kl = ⟨k|∇H|l⟩ [hartree/bohr] for the pairs k < l in lexicographic order, with
            any sign of the states; NaN for a pair that was not computed.
        dipoles: ⟨k|μ|l⟩ [e bohr], with the signs of the couplings.
        seconds: Processor time that it cost.
        checks: Numbers behind the quality, by name: what a source measures of itself.
        memory: What the source wants to find again when it labels a geometry nearby (orbitals, coefficients);
            arrays that nobody else reads, in the frame of the geometry.
        doubted: States that a doubt is about, None for all of them. A label with a doubted state trains
            nothing, but a trajectory on another state, far below or above, may go on.
    """

    quality: Quality
    reason: str
    energies: Float[np.ndarray, "state"]
    forces: Float[np.ndarray, "state atom 3"] | None = None
    interstate_couplings: Float[np.ndarray, "pair atom 3"] | None = None
    dipoles: Float[np.ndarray, "state state 3"] | None = None
    seconds: float = 0.0
    checks: Mapping[str, float] = field(default_factory=dict)
    memory: Mapping[str, np.ndarray] = field(default_factory=dict)
    doubted: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Known:
    """A geometry [bohr] with its label."""

    positions: Float[np.ndarray, "atom 3"]
    label: Label


@runtime_checkable
class LabelSource(Protocol):
    """Something that knows energies at a geometry: a program, a calculator, a function, a model.

    Attributes:
        name: Short name for files and tables, "pyscf".
        theory: Everything that makes a label what it is, in words: method, active space, basis. Labels of
            one dataset have one theory.
        atomic_numbers: One number an atom; the order of every array.
        charge: Total charge [e].
        multiplicities: 2S + 1 of each state, in the order of the energies.
        gives: Which of "forces", "interstate_couplings", "dipoles" and "overlaps" it knows.
    """

    name: str
    theory: str
    atomic_numbers: tuple[int, ...]
    charge: int
    multiplicities: tuple[int, ...]
    gives: frozenset[str]

    def label(self, positions: Float[np.ndarray, "atom 3"], near: Sequence[Known] = ()) -> Label | None:
        """Return the label of one geometry, or None where it has been asked for and is not there yet.

        A calculation that does not converge is a failed label and no error. Errors are what will be as wrong
        at every other geometry.

        Args:
            positions: The geometry [bohr].
            near: Labels of the same source to begin from, the nearest first.

        Raises:
            InputError: The source is missing, or cannot do what it was set up for.
        """
        ...


@runtime_checkable
class HasOverlaps(Protocol):
    """A source whose wave functions at two geometries can be compared."""

    def overlaps(self, first: Known, second: Known) -> Float[np.ndarray, "state state"]:
        """Return S_kl = ⟨k at the first geometry|l at the second⟩, from what the labels remember."""
        ...


@runtime_checkable
class HasLinkedOverlaps(Protocol):
    """A source that compares its wave functions at many pairs of geometries, molecules laid on each other."""

    def linked_overlaps(
        self, known: Sequence[Known], links: Links, order: Sequence[int] | None = None
    ) -> Overlaps:
        """Return ⟨k at the first|l at the second⟩ along links, from what the labels remember.

        Args:
            known: Geometries with their labels.
            links: Which are compared.
            order: The atoms of the second geometry that stand in each place, where they change places.
        """
        ...


@runtime_checkable
class HasActiveSpace(Protocol):
    """A source whose states are made of a few active orbitals, which may be others at another geometry."""

    def active_overlap(self, first: Known, second: Known) -> float:
        """Return the smallest singular value of the overlap of active orbitals, from what labels remember.

        Orbitals of the first geometry are carried to the second; 1 where they span the same space.
        """
        ...


@runtime_checkable
class LabelsInParts(Protocol):
    """A source that can leave out what is not asked for, and is cheaper then."""

    def label_parts(
        self,
        positions: Float[np.ndarray, "atom 3"],
        near: Sequence[Known] = (),
        *,
        forces: Sequence[int],
        pairs: Sequence[tuple[int, int]],
    ) -> Label | None:
        """Return a label with all energies, the forces of these states and the couplings of these pairs.

        NaN stands for the others. What the first of `near` remembers of this very geometry is not computed
        again.

        Args:
            positions: The geometry [bohr].
            near: Labels of the same source to begin from, the nearest first.
            forces: States, in the order of the energies.
            pairs: k < l.
        """
        ...


@runtime_checkable
class FollowsSolutions(Protocol):
    """A source with several solutions at one geometry, which can keep to the one that a trajectory is on."""

    def label_along(
        self,
        positions: Float[np.ndarray, "atom 3"],
        before: Known,
        *,
        forces: Sequence[int],
        pairs: Sequence[tuple[int, int]],
    ) -> Label | None:
        """Return the label of the solution that the one before goes over into, see `LabelsInParts`.

        `label` is a function of the geometry, as a model has to be. Along a trajectory it jumps where two
        solutions cross; this one goes on.

        Args:
            positions: The geometry [bohr].
            before: The label of the trajectory one step before.
            forces: States, in the order of the energies.
            pairs: k < l.
        """
        ...


@runtime_checkable
class HasLaws(Protocol):
    """A source that says which of `CARTESIAN_LAWS` leave its energies unchanged; others obey all of them."""

    laws: frozenset[str]
