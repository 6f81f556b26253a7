"""The shape of a cone: how steep, how uneven, how tilted, and where it leads."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from nadyn.electronic.crossings.drive import drive
from nadyn.electronic.crossings.landscape import Landscape, Pair, Point
from nadyn.electronic.crossings.probes import vectors_by_probes
from nadyn.electronic.crossings.steps import free_directions

# A second branching vector this much shorter than the first is none.
_NO_CONE = 1e-4
# Below this neither tilt nor asymmetry prefers a direction.
_NO_DIRECTION = 1e-3


@dataclass(frozen=True, eq=False)
class Topography:
    """Two states to first order about the point where they meet.

    E = E₀ + δ r {σ cos(θ - θ_s) ± [1 + Δ cos 2θ]^½} at r (cos θ x + sin θ y), with orthonormal x and y along
    the branching vectors, the tilt between 0 and 90 degrees from the steeper one. The cone is peaked where
    the upper energy rises in every direction, P = σ²/(1-Δ²) (1 - Δ cos 2θ_s) < 1, else sloped. The lower
    energy falls along two ways if it is bifurcating,
    B = [σ²/4Δ²]^⅓ {[(1+Δ) cos² θ_s]^⅓ + [(1-Δ) sin² θ_s]^⅓} < 1, else along a single path.

    Source: I. Fdez. Galván, M. G. Delcey, T. B. Pedersen, F. Aquilante and R. Lindh, J. Chem. Theory Comput.
    12, 3636 (2016); the vectors and their rotation: D. R. Yarkony, J. Chem. Phys. 114, 2601 (2001).

    Attributes:
        directions: x and y.
        lengths: Of g and of h after their rotation, the longer first [hartree/bohr].
        slope: ∇(E_k + E_l)/2 along x and along y [hartree/bohr].
    """

    directions: Float[np.ndarray, "2 atom x"]
    lengths: tuple[float, float]
    slope: tuple[float, float]

    @property
    def pitch(self) -> float:
        """δ = [(g² + h²)/2]^½ [hartree/bohr]."""
        return math.sqrt(0.5 * (self.lengths[0] ** 2 + self.lengths[1] ** 2))

    @property
    def asymmetry(self) -> float:
        """Δ = (g² - h²)/(g² + h²), from 0 for a round cone to 1 for a wedge."""
        return (self.lengths[0] ** 2 - self.lengths[1] ** 2) / (2.0 * self.pitch**2)

    @property
    def tilt(self) -> float:
        """σ, the slope of the mean energy in units of the pitch."""
        return math.hypot(*self.slope) / self.pitch

    @property
    def heading(self) -> float:
        """θ_s, from the steeper vector [radian]."""
        return math.atan2(self.slope[1], self.slope[0])

    @property
    def peakedness(self) -> float:
        """P, below 1 for a peaked cone."""
        return self.tilt**2 * (1 - self.asymmetry * math.cos(2 * self.heading)) / (1 - self.asymmetry**2)

    @property
    def branching(self) -> float:
        """B, below 1 for a bifurcating cone; inf for a round one with a tilt, NaN for one without."""
        if self.asymmetry < _NO_DIRECTION:
            return math.inf if self.tilt >= _NO_DIRECTION else math.nan
        along = (1 + self.asymmetry) * math.cos(self.heading) ** 2
        across = (1 - self.asymmetry) * math.sin(self.heading) ** 2
        return math.cbrt(self.tilt**2 / (4 * self.asymmetry**2)) * (math.cbrt(along) + math.cbrt(across))

    @property
    def words(self) -> str:
        """How people call it: peaked or sloped, bifurcating or single path."""
        first = "peaked" if self.peakedness < 1 else "sloped"
        if math.isnan(self.branching):
            return f"{first}, the same all around"
        return f"{first}, {'bifurcating' if self.branching < 1 else 'single path'}"

    def energies(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return both energies at x and y [bohr] to first order, from where they meet [hartree]."""
        mean = self.slope[0] * x + self.slope[1] * y
        half = np.hypot(self.lengths[0] * x, self.lengths[1] * y)
        return mean - half, mean + half


def topography(
    landscape: Landscape,
    pair: Pair,
    point: Point,
    second: Float[np.ndarray, "coordinate"] | None = None,
) -> Topography | None:
    """Return the cone at a point where two states of one multiplicity meet; None where they part as a wedge.

    Args:
        landscape: Knows energies and gradients; where it knows no couplings, gradients nearby are asked.
        pair: The two states.
        point: Where they meet.
        second: A direction in the branching plane beside g, where couplings are not known.
    """
    free = free_directions(landscape, point.positions)
    h = pair.coupling(point)
    if h is None:
        (vectors,) = drive(landscape, [vectors_by_probes(landscape, pair, point, second)])
        if vectors is None:
            return None
    else:
        rows = np.stack([pair.difference(point).reshape(-1), h.reshape(-1)])
        vectors = rows @ free @ free.T
    _, lengths, directions = np.linalg.svd(vectors, full_matrices=False)
    if lengths[1] <= _NO_CONE * lengths[0]:
        return None
    slope = directions @ pair.slope(point).reshape(-1)
    # A direction and its opposite are the same: the one uphill is taken.
    signs = np.where(slope < 0, -1.0, 1.0)
    directions = (signs[:, None] * directions).reshape(2, *point.positions.shape)
    slope = signs * slope
    return Topography(directions, (float(lengths[0]), float(lengths[1])), (float(slope[0]), float(slope[1])))
