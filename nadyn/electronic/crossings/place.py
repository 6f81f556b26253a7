"""One geometry as a search for crossings sees it: the gap, the branching plane, the slope along the seam."""

import numpy as np

from nadyn.electronic.crossings.landscape import Landscape, Pair, Point
from nadyn.electronic.crossings.steps import best_step, free_directions

# The step that closes the gap may use this part of the radius; the rest is for going downhill.
_CLOSING = 0.8
# A branching vector this much shorter than the other one is none.
_RELATIVE_LENGTH = 1e-6


class Plane:
    """The directions of the branching plane where h is not known, carried from step to step."""

    def __init__(self, x: np.ndarray | None = None, y: np.ndarray | None = None):
        self.x, self.y = x, y

    def copy(self) -> "Plane":
        return Plane(self.x, self.y)

    def turned(self, image: np.ndarray) -> "Plane":
        """Return the plane of the difference gradient and of an image of the second direction."""
        y = image - self.x * (self.x @ image)
        length = np.linalg.norm(y)
        return Plane(self.x, y / length if length > 0 else self.y)

    def second(self, difference: np.ndarray, slope: np.ndarray) -> np.ndarray:
        """Return the unit vector beside the difference gradient, and remember both."""
        x = difference / max(float(np.linalg.norm(difference)), 1e-300)
        if self.x is None:
            y = slope - x * (x @ slope)
        else:
            y = (self.y @ x) * self.x - (self.x @ x) * self.y
        length = np.linalg.norm(y)
        self.x, self.y = x, y / length if length > 0 else y
        return self.y


class Place:
    """One geometry as the search sees it: gap, plane and slope, without motions of the whole molecule."""

    def __init__(self, landscape: Landscape, pair: Pair, point: Point, plane: Plane | None = None):
        """Take in a point.

        Args:
            landscape: Knows which motions leave the energies.
            pair: The two states.
            point: What is known there.
            plane: Remembers the second direction of coupled states whose coupling is not known.
        """
        self.gap, self.mean = pair.gap(point), pair.mean(point)
        free = free_directions(landscape, point.positions)
        difference, slope = (
            free @ (free.T @ v.reshape(-1)) for v in (pair.difference(point), pair.slope(point))
        )
        h = pair.coupling(point)
        rows = [difference]
        if h is not None:
            rows.append(free @ (free.T @ h.reshape(-1)))
        elif plane is not None and pair.is_coupled:
            rows.append(plane.second(difference, slope) * np.linalg.norm(difference))
        self.rows = np.stack(rows)
        _, sizes, directions = np.linalg.svd(self.rows, full_matrices=False)
        inside = directions[sizes > _RELATIVE_LENGTH * sizes[0]]
        self.inverse = np.linalg.pinv(self.rows, rcond=_RELATIVE_LENGTH)
        self.slope = slope
        # Orthonormal directions along the seam: free, and normal to the plane.
        left, _, _ = np.linalg.svd(free.T @ inside.T)
        self.seam = free @ left[:, len(inside) :]
        self.along = self.project(slope)
        self.multiplier = float(np.linalg.norm(self.inverse.T @ slope))
        self.target = np.zeros(len(rows))
        self.target[0] = 0.5 * self.gap

    def project(self, vector: np.ndarray) -> np.ndarray:
        return self.seam @ (self.seam.T @ vector)

    def step(self, curvature: np.ndarray, radius: float) -> np.ndarray:
        close = -self.inverse @ self.target
        length = np.linalg.norm(close)
        close = close * min(1.0, _CLOSING * radius / max(length, 1e-300))
        left = np.sqrt(radius**2 - np.linalg.norm(close) ** 2)
        inner = self.seam.T @ (self.slope + curvature @ close)
        return close + self.seam @ best_step(inner, self.seam.T @ curvature @ self.seam, radius=left)

    def foreseen(self, step: np.ndarray, curvature: np.ndarray, price: float) -> float:
        """Return by how much Ē + price |gap|/2 should fall."""
        energy = self.slope @ step + 0.5 * step @ curvature @ step
        closing = np.linalg.norm(self.target) - np.linalg.norm(self.target + self.rows @ step)
        return float(price * closing - energy)
