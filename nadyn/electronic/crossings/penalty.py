"""Minimum of a seam by a penalty on the gap: no couplings are needed, and none are used."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from nadyn.electronic.crossings.landscape import Landscape, Pair, Point
from nadyn.electronic.crossings.search_end import Goals, Search, SearchEnd
from nadyn.electronic.crossings.steps import Trust, best_step, first_curvature, free_directions
from nadyn.units import ELECTRONVOLT_PER_HARTREE

_RESOLUTION = 1e-10


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
    trust = Trust(0.3, 0.8 if landscape.atomic_numbers is not None else 10.0)
    strength, asked = penalty.strength, 1
    point = yield start
    if not point.knows(pair.lower, pair.upper):
        return SearchEnd(point, False, f"the start has no label ({point.doubt})", asked, np.inf)
    while True:
        gap = pair.gap(point)
        value = penalty.value(strength, pair.mean(point), gap)
        gradient = _gradient(landscape, pair, point, penalty, strength)
        slope = float(np.abs(gradient).max())
        if slope <= penalty.gradient:
            if abs(gap) <= penalty.gap:
                return SearchEnd(point, True, "", asked, slope)
            strength *= penalty.growth
            trust = Trust(max(trust.radius, 0.1), trust.largest)
            continue
        if asked >= goals.max_points or trust.radius < trust.smallest:
            return SearchEnd(point, False, _reason(gap, slope, asked, penalty), asked, slope)
        free = free_directions(landscape, point.positions)
        inner = best_step(free.T @ gradient, free.T @ curvature.matrix @ free, radius=trust.radius)
        step = free @ inner
        foreseen = -float(gradient @ step + 0.5 * step @ curvature.matrix @ step)
        new = yield point.positions + step.reshape(start.shape)
        asked += 1
        length = float(np.linalg.norm(step))
        if not new.knows(pair.lower, pair.upper):
            trust = trust.after(-1.0, 0.5 * length)
            continue
        gain = value - penalty.value(strength, pair.mean(new), pair.gap(new))
        curvature.learn(step, _gradient(landscape, pair, new, penalty, strength) - gradient)
        small = foreseen < _RESOLUTION
        trust = trust if small else trust.after(gain / foreseen, length)
        if small or gain > 1e-4 * foreseen:
            point = new


def _gradient(
    landscape: Landscape, pair: Pair, point: Point, penalty: Penalty, strength: float
) -> np.ndarray:
    rise = penalty.slope(strength, pair.gap(point))
    gradient = (pair.slope(point) + 2.0 * rise * pair.difference(point)).reshape(-1)
    free = free_directions(landscape, point.positions)
    return free @ (free.T @ gradient)


def _reason(gap: float, slope: float, asked: int, penalty: Penalty) -> str:
    wide = f"the gap stays at {abs(gap) * ELECTRONVOLT_PER_HARTREE:.4f} eV"
    steep = f"the gradient stays at {slope:.1e} hartree/bohr"
    return f"{wide if abs(gap) > penalty.gap else steep} after {asked} geometries"
