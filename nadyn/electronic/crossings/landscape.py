"""Energies, gradients and couplings at a geometry, whoever knows them: what a search for crossings asks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from nadyn.checks.errors import InputError
from nadyn.electronic.labels import Known

# Letters of spectroscopy, by 2S + 1.
_LETTERS = {1: "S", 2: "D", 3: "T", 4: "Q"}


@dataclass(frozen=True, eq=False)
class Point:
    """What is known at one geometry, in atomic units.

    Attributes:
        positions: [bohr], or the model's own coordinate.
        energies: Ordered by multiplicity, then by energy [hartree]; NaN where the label failed.
        gradients: ∂E_k/∂R [hartree/bohr]; NaN for a state without one.
        couplings: h_kl = ⟨k|∇H|l⟩ with any sign of the states [hartree/bohr]; NaN where there is none.
        doubt: Why the numbers are not to be trusted; empty where they are.
        known: The label, where a source gave it.
    """

    positions: Float[np.ndarray, "atom x"]
    energies: Float[np.ndarray, "state"]
    gradients: Float[np.ndarray, "state atom x"]
    couplings: Float[np.ndarray, "state state atom x"]
    doubt: str = ""
    known: Known | None = None

    def knows(self, *states: int) -> bool:
        """Tell whether energies and gradients of these states are numbers."""
        chosen = list(states)
        return bool(np.isfinite(self.energies[chosen]).all() and np.isfinite(self.gradients[chosen]).all())


@dataclass(frozen=True, eq=False)
class Landscape:
    """Something that knows energies and gradients at any geometry of one molecule.

    Attributes:
        name: For tables and files.
        ask: Returns one point a geometry, in the same order.
        multiplicities: 2S + 1 of each state; equal ones together.
        atomic_numbers: One number an atom, or None for generalised coordinates.
        is_rigid: Whether moving and turning the molecule leaves the energies.
        like_atoms_alike: Whether exchanging atoms of one element leaves the energies.
        gives_couplings: Whether h_kl is known between states of one multiplicity.
        is_cheap: Whether a thousand points cost nothing worth counting.
        overlaps: Returns ⟨k|l⟩ between the states at two points, or is None.
    """

    name: str
    ask: Callable[[Sequence[Float[np.ndarray, "atom x"]]], list[Point]]
    multiplicities: tuple[int, ...]
    atomic_numbers: tuple[int, ...] | None
    is_rigid: bool
    like_atoms_alike: bool
    gives_couplings: bool
    is_cheap: bool
    overlaps: Callable[[Point, Point], Float[np.ndarray, "state state"]] | None = None

    def state_name(self, state: int) -> str:
        """Return the name of a state as people say it: S0, S1; the lowest triplet beside them is T1."""
        own = self.multiplicities[state]
        number = self.multiplicities[:state].count(own)
        is_ground = own == min(self.multiplicities)
        return f"{_LETTERS.get(own, f'[{own}]')}{number if is_ground else number + 1}"


@dataclass(frozen=True)
class Pair:
    """Two states that are to meet.

    Attributes:
        lower: Number of one.
        upper: Number of the other.
        is_coupled: Whether they have one multiplicity: they meet in a cone, and the gap is never negative.
            Others cross, and the gap changes its sign.
    """

    lower: int
    upper: int
    is_coupled: bool

    def gap(self, point: Point) -> float:
        """Return E_upper - E_lower [hartree]."""
        return float(point.energies[self.upper] - point.energies[self.lower])

    def mean(self, point: Point) -> float:
        """Return (E_upper + E_lower)/2 [hartree]."""
        return float(0.5 * (point.energies[self.upper] + point.energies[self.lower]))

    def difference(self, point: Point) -> Float[np.ndarray, "atom x"]:
        """Return g = ∇(E_upper - E_lower)/2 [hartree/bohr]."""
        return 0.5 * (point.gradients[self.upper] - point.gradients[self.lower])

    def slope(self, point: Point) -> Float[np.ndarray, "atom x"]:
        """Return s = ∇(E_upper + E_lower)/2 [hartree/bohr]."""
        return 0.5 * (point.gradients[self.upper] + point.gradients[self.lower])

    def coupling(self, point: Point) -> Float[np.ndarray, "atom x"] | None:
        """Return h between the two [hartree/bohr], or None where it is not known."""
        h = point.couplings[self.lower, self.upper]
        return h if self.is_coupled and np.isfinite(h).all() else None


def pair_of(landscape: Landscape, lower: int, upper: int) -> Pair:
    """Return two states as a pair.

    Raises:
        InputError: There are no such states, or a third one of their multiplicity lies between them.
    """
    spins = landscape.multiplicities
    n = len(spins)
    if not 0 <= lower < upper < n:
        raise InputError(
            f"`states` must be two numbers with 0 <= first < second < {n} for {landscape.name}, but are "
            f"{lower} and {upper}."
        )
    is_coupled = spins[lower] == spins[upper]
    if is_coupled and upper > lower + 1:
        raise InputError(
            f"`states` of one multiplicity must be neighbours, but between {lower} and {upper} lies "
            f"{lower + 1}: all three would have to meet. Try {lower} {lower + 1}."
        )
    return Pair(lower, upper, is_coupled)
