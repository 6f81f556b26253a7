"""Minimum of a seam by a penalty on the gap: no couplings are needed, and none are used."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from nadyn.electronic.crossings.descent import Function, descend
from nadyn.electronic.crossings.landscape import Landscape, Pair, Point
from nadyn.electronic.crossings.search_end import Goals, Search, SearchEnd
from nadyn.electronic.crossings.steps import first_curvature
from nadyn.units import ELECTRONVOLT_PER_HARTREE

# Where states only avoid each other, no strength closes the gap.
_STRONGEST = 1e5


@dataclass(frozen=True)
class Penalty:
    """The function that is made small, with the numbers of the paper.

    Attributes:
        strength: σ to begin with.
        smoothing: α [hartree].
        growth: Factor of σ where the gap at the minimum is too large still.
        gap: Gap that is small enough [hartree].
        gradient: Largest component of the gradient at a minimum [hartree/bohr].
    """

    strength: float = 3.5
    smoothing: float = 0.02
    growth: float = 4.0
    gap: float = 1e-3
    gradient: float = 5e-4

    def value(self, strength: float, mean: float, gap: float) -> float:
        """Return Ē + σ ΔE²/(|ΔE| + α) [hartree]."""
        return mean + strength * gap * gap / (abs(gap) + self.smoothing)

    def slope(self, strength: float, gap: float) -> float:
        """Return its derivative by ΔE."""
        size = abs(gap)
        return strength * gap * (size + 2.0 * self.smoothing) / (size + self.smoothing) ** 2


def search_by_penalty(
    landscape: Landscape, pair: Pair, start: Float[np.ndarray, "atom x"], goals: Goals, penalty: Penalty
) -> Search:
    """Search the lowest point at which two states meet, from energies and gradients only.

    F = Ē + σ ΔE²/(|ΔE| + α) is made smallest; where the gap there is above the goal, σ grows and the search
    goes on. At the end a gap is left that falls as 1/σ.

    Source: B. G. Levine, J. D. Coe and T. J. Martínez, J. Phys. Chem. B 112, 405 (2008), equation 9: σ = 3.5,
    α = 0.02 hartree, a gap of 0.001 hartree.

    Args:
        landscape: Knows energies and gradients.
        pair: The two states.
        start: Geometry to begin from [bohr].
        goals: Of which only the number of geometries counts.
        penalty: The function.
    """
    curvature = first_curvature(landscape, start)
    asked, radius, strength = 1, 0.3, penalty.strength
    point = yield start
    if not point.knows(pair.lower, pair.upper):
        return SearchEnd(point, False, f"the start has no label ({point.doubt})", asked, np.inf)
    while True:
        end = yield from descend(
            landscape,
            point,
            _function(pair, penalty, strength),
            curvature,
            radius=radius,
            gradient_goal=penalty.gradient,
            max_points=goals.max_points - asked,
        )
        asked, point = asked + end.n_points, end.point
        gap = abs(pair.gap(point))
        if end.is_found and gap <= penalty.gap:
            return replace(end, n_points=asked)
        if not end.is_found or strength >= _STRONGEST:
            reason = f"the gap stays at {gap * ELECTRONVOLT_PER_HARTREE:.4f} eV after {asked} geometries"
            return SearchEnd(point, False, reason if gap > penalty.gap else end.reason, asked, end.gradient)
        # Only what the penalty adds has become stiffer: short steps learn it.
        strength, radius = penalty.growth * strength, 0.1


def _function(pair: Pair, penalty: Penalty, strength: float) -> Function:
    def function(point: Point) -> tuple[float, np.ndarray]:
        gap = pair.gap(point)
        gradient = pair.slope(point) + 2.0 * penalty.slope(strength, gap) * pair.difference(point)
        return penalty.value(strength, pair.mean(point), gap), gradient

    return function
