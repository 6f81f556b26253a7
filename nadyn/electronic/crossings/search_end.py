"""What all searches have in common: how they are asked, when they end, and what they say then."""

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from nadyn.electronic.crossings.landscape import Point

# A search hands out a geometry and is sent the point there; that way many of them go on side by side.
Search = Generator[Float[np.ndarray, "atom x"], Point, "SearchEnd"]


@dataclass(frozen=True)
class Goals:
    """When a search has arrived, and when it is given up.

    Attributes:
        gap: Largest energy between the two states [hartree].
        gradient: Largest component of the gradient along the seam [hartree/bohr].
        max_points: Geometries after which a search is given up.
    """

    gap: float = 1e-5
    gradient: float = 1e-4
    max_points: int = 200


@dataclass(frozen=True, eq=False)
class SearchEnd:
    """Where a search ended.

    Attributes:
        point: The last geometry that was accepted.
        is_found: Whether both goals were reached.
        reason: Why not; empty where they were.
        n_points: How many geometries were asked.
        gradient: Largest component of the gradient along the seam at the end [hartree/bohr].
        second: A direction in the branching plane beside g, where it was found without couplings.
    """

    point: Point
    is_found: bool
    reason: str
    n_points: int
    gradient: float
    second: Float[np.ndarray, "coordinate"] | None = None
