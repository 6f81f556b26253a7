"""Whether a stationary point of a seam is a minimum of it."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from nadyn.electronic.crossings.landscape import Landscape, Pair, Point
from nadyn.electronic.crossings.place import Place

_STEP_BOHR = 0.01


@dataclass(frozen=True, eq=False)
class SeamCurvature:
    """How the energy of the seam bends about a stationary point.

    Attributes:
        lowest: Lowest curvature [hartree/bohr²]; below zero the point is a saddle of the seam.
        largest: Highest one.
        direction: Of the lowest.
    """

    lowest: float
    largest: float
    direction: Float[np.ndarray, "atom x"]

    @property
    def is_saddle(self) -> bool:
        """Whether the seam falls on both sides: beyond what differences of gradients can tell."""
        return self.lowest < -1e-3 * max(self.largest, 1e-2)


def seam_curvature(landscape: Landscape, pair: Pair, point: Point) -> SeamCurvature | None:
    """Return the lowest curvature of the seam, None where it is a point or where labels fail.

    The second derivatives of the Lagrangian E + λ₁ gap/2 + λ₂ W_kl along the seam, from differences of the
    gradient projected on the seam at 0.01 bohr on both sides.

    Args:
        landscape: Must know couplings, unless the states have different multiplicities.
        pair: The two states.
        point: A stationary point of their seam.
    """
    here = Place(landscape, pair, point)
    n = here.seam.shape[1]
    if n == 0:
        return None
    moves = [
        (sign * _STEP_BOHR * column).reshape(point.positions.shape)
        for column in here.seam.T
        for sign in (1, -1)
    ]
    points = landscape.ask([point.positions + move for move in moves])
    if not all(one.knows(pair.lower, pair.upper) for one in points):
        return None
    along = np.stack([Place(landscape, pair, one).along for one in points]) @ here.seam
    matrix = (along[0::2] - along[1::2]) / (2.0 * _STEP_BOHR)
    values, vectors = np.linalg.eigh(0.5 * (matrix + matrix.T))
    direction = (here.seam @ vectors[:, 0]).reshape(point.positions.shape)
    return SeamCurvature(float(values[0]), float(np.abs(values).max()), direction)
