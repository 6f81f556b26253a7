"""The branching plane from gradients nearby, where no couplings are known.

About a point where two states meet the gap at a displacement d is 2 (d·C·d)^½ with C = g gᵀ + h hᵀ, so that
C d = (gap/2) ∇(gap/2): gradients on both sides give the image of a direction, which lies in the plane.
"""

from collections.abc import Generator

import numpy as np
from jaxtyping import Float

from nadyn.electronic.crossings.landscape import Landscape, Pair, Point
from nadyn.electronic.crossings.steps import free_directions

# Far enough for gradients to differ, near enough for the cone to be straight [bohr].
_PROBE_BOHR = 0.02
_PARALLEL = 0.05

Probe = Generator[Float[np.ndarray, "atom x"], Point, Float[np.ndarray, "coordinate"] | None]
Probes = Generator[Float[np.ndarray, "atom x"], Point, Float[np.ndarray, "2 coordinate"] | None]


def image(
    landscape: Landscape, pair: Pair, point: Point, direction: Float[np.ndarray, "coordinate"]
) -> Probe:
    """Return C d of a direction of length 1 from gradients on both sides; None where a label fails."""
    move = (_PROBE_BOHR * direction).reshape(point.positions.shape)
    free = free_directions(landscape, point.positions)
    sides = []
    for sign in (1.0, -1.0):
        there = yield point.positions + sign * move
        if not there.knows(pair.lower, pair.upper):
            return None
        sides.append(0.5 * pair.gap(there) * pair.difference(there).reshape(-1))
    return free @ (free.T @ (sides[0] - sides[1])) / (2.0 * _PROBE_BOHR)


def vectors_by_probes(
    landscape: Landscape, pair: Pair, point: Point, second: Float[np.ndarray, "coordinate"] | None
) -> Probes:
    """Return two vectors g, h with the C of the cone; None where a label fails.

    Args:
        landscape: Knows energies and gradients.
        pair: The two states.
        point: Where they meet.
        second: A direction in the branching plane beside g, or None: then one more round finds it.
    """
    free = free_directions(landscape, point.positions)
    first = pair.difference(point).reshape(-1)
    rounds = 1 if second is not None else 2
    second = _beside(free, first, pair.slope(point).reshape(-1)) if second is None else second
    for _ in range(rounds):
        probes = _orthonormal(free, first, second)
        images = []
        for probe in probes:
            found = yield from image(landscape, pair, point, probe)
            if found is None:
                return None
            images.append(found)
        first, second = images
    return _roots(probes, np.stack(images))


def _beside(free: np.ndarray, first: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """Return a direction that is not the first: at a minimum of the seam the slope lies in the plane."""
    unit = first / np.linalg.norm(first)
    slope = slope - unit * (unit @ slope)
    if np.linalg.norm(slope) > _PARALLEL * np.linalg.norm(first):
        return slope
    # Without a slope any direction does that has a part in the plane; the same one in every search.
    return free @ np.cos(1.0 + 2.0 * np.arange(free.shape[1]))


def _orthonormal(free: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    rows = free.T @ np.stack([first, second]).T
    return (free @ np.linalg.qr(rows)[0]).T


def _roots(probes: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Return the rows of A with AᵀA = C = W (DᵀW)⁻¹ Wᵀ."""
    small = probes @ images.T
    values, turned = np.linalg.eigh(0.5 * (small + small.T))
    # What noise leaves of a direction in which the states do not part is none.
    values = np.where(values > 1e-12 * max(values[-1], 0.0), values, np.inf)
    return (turned.T @ images) / np.sqrt(values)[:, None]
