"""A loop around the tip of a cone: what it does to the sign of a state, on a model or on a label source."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from nadyn.electronic.crossings.landscape import Landscape, Pair, Point
from nadyn.electronic.crossings.topography import Topography

# Along a fine enough loop a state hardly changes from one point to the next.
_SMALLEST_OVERLAP = 0.7


@dataclass(frozen=True, eq=False)
class Loop:
    """Points around a cone and what they say.

    Attributes:
        angles: Where on the ellipse each point lies [radian].
        x: Along the steeper branching vector [bohr].
        y: Along the other one [bohr].
        points: One a point.
        turned: ∮ d_kl·dR [radian]: ±π around one cone; NaN where couplings are not known.
        sign_by_overlaps: What ⟨k|k⟩ from point to point multiply to, -1 around one cone; None where overlaps
            are not known or a state turned too far between two points.
    """

    angles: Float[np.ndarray, "point"]
    x: Float[np.ndarray, "point"]
    y: Float[np.ndarray, "point"]
    points: tuple[Point, ...]
    turned: float
    sign_by_overlaps: int | None

    @property
    def sign(self) -> int | None:
        """The sign with which the lower state comes back: by overlaps where known, else by couplings."""
        if self.sign_by_overlaps is not None:
            return self.sign_by_overlaps
        # Beyond 30 degrees from a multiple of π the integral belongs to no two states, or to a coarse loop.
        if math.isnan(self.turned) or abs(math.cos(self.turned)) < math.cos(math.pi / 6):
            return None
        return 1 if math.cos(self.turned) > 0 else -1


def loop_around(
    landscape: Landscape,
    pair: Pair,
    centre: Point,
    cone: Topography,
    *,
    radius_bohr: float = 0.05,
    n_points: int = 12,
) -> Loop:
    """Return the points of an ellipse around a cone, on which the gap is the same, and the sign they bring.

    The integral of d_kl = h_kl/(E_l - E_k) is that of a state that turns by half the angle; h is given the
    sign that goes on from the point before. Overlaps of a state with itself are multiplied around the loop.

    Sources: M. Baer, Chem. Phys. Lett. 35, 112 (1975); M. V. Berry, Proc. R. Soc. Lond. A 392, 45 (1984).

    Args:
        landscape: Knows energies and couplings or overlaps.
        pair: Two states of one multiplicity.
        centre: Where they meet.
        cone: Its shape.
        radius_bohr: Root of the product of the two half diameters.
        n_points: Number of points.
    """
    even = np.sqrt(cone.lengths[0] / cone.lengths[1])
    wide, high = radius_bohr / even, radius_bohr * even
    angles = 2.0 * np.pi / n_points * np.arange(n_points)
    x, y = wide * np.cos(angles), high * np.sin(angles)
    moves = np.einsum("dp,dnx->pnx", np.stack([x, y]), cone.directions)
    points = landscape.ask([centre.positions + move for move in moves])
    tangents = np.stack([-wide * np.sin(angles), high * np.cos(angles)], axis=1)
    return Loop(
        angles=angles,
        x=x,
        y=y,
        points=tuple(points),
        turned=_turned(pair, points, cone, tangents),
        sign_by_overlaps=_sign_by_overlaps(landscape, pair, points),
    )


def _turned(
    pair: Pair, points: Sequence[Point], cone: Topography, tangents: Float[np.ndarray, "point 2"]
) -> float:
    couplings = [pair.coupling(point) for point in points]
    if any(h is None for h in couplings) or not all(p.knows(pair.lower, pair.upper) for p in points):
        return math.nan
    inside = np.stack([(cone.directions * h).sum(axis=(1, 2)) for h in couplings])
    # In units of the cone h goes around by the angle itself, so that no step is a large one.
    even = inside / np.array(cone.lengths)
    signs = np.sign((even[1:] * even[:-1]).sum(axis=1))
    signs = np.concatenate([[1.0], np.cumprod(np.where(signs == 0, 1.0, signs))])
    gaps = np.array([pair.gap(point) for point in points])
    rates = signs * (inside * tangents).sum(axis=1) / gaps
    return float(rates.sum() * 2.0 * np.pi / len(points))


def _sign_by_overlaps(landscape: Landscape, pair: Pair, points: Sequence[Point]) -> int | None:
    if landscape.overlaps is None or not all(point.knows(pair.lower) for point in points):
        return None
    following = [*points[1:], points[0]]
    kept = [landscape.overlaps(a, b)[pair.lower, pair.lower] for a, b in zip(points, following, strict=True)]
    if not min(abs(value) for value in kept) >= _SMALLEST_OVERLAP:
        return None
    return int(np.prod(np.sign(kept)))
