"""Steps of a search: curvature learned from gradients, and the best step within a radius of trust."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from nadyn.electronic.crossings.landscape import Landscape
from nadyn.structures.rigid import rigid_motions

# Reference distances [bohr] and exponents [1/bohr²] between rows of the periodic table: R. Lindh,
# A. Bernhardsson, G. Karlström and P.-Å. Malmqvist, Chem. Phys. Lett. 241, 423 (1995), table 1.
_REFERENCE = np.array([[1.35, 2.10, 2.53], [2.10, 2.87, 3.40], [2.53, 3.40, 3.40]])
_EXPONENT = np.array([[1.0, 0.3949, 0.3949], [0.3949, 0.28, 0.28], [0.3949, 0.28, 0.28]])
_STRETCH = 0.45
# Curvature [hartree/bohr²] of everything that no pair of atoms resists.
_SOFT = 0.05


@dataclass(frozen=True)
class Trust:
    """How far a step may go.

    Attributes:
        radius: Now; lengths are those of the whole step [bohr].
        largest: What it may grow to.
        smallest: Where the search is given up.
    """

    radius: float
    largest: float
    smallest: float = 1e-6

    def after(self, gain: float, length: float) -> "Trust":
        """Return the radius after a step.

        Args:
            gain: What the step gained, in units of what was foreseen.
            length: Of the step.
        """
        if gain < 0.25:
            return Trust(0.5 * min(length, self.radius), self.largest, self.smallest)
        if gain > 0.75 and length > 0.8 * self.radius:
            return Trust(min(2.0 * self.radius, self.largest), self.largest, self.smallest)
        return self


class Curvature:
    """An approximate Hessian that learns from gradients, and stays positive.

    BFGS with the damping of M. J. D. Powell, Lecture Notes in Mathematics 630, 144 (1978).
    """

    def __init__(self, start: Float[np.ndarray, "coordinate coordinate"], *, is_scaled: bool):
        """Begin from a guess.

        Args:
            start: The guess.
            is_scaled: Whether its size means something; else the first pair of gradients sets it.
        """
        self.matrix = start
        self._is_scaled = is_scaled

    def learn(self, step: Float[np.ndarray, "coordinate"], change: Float[np.ndarray, "coordinate"]) -> None:
        """Take in how the gradient changed along a step."""
        square = float(step @ step)
        if square < 1e-16:
            return
        if not self._is_scaled:
            if step @ change > 0:
                self.matrix = self.matrix * float((change @ change) / (step @ change))
            self._is_scaled = True
        bent = self.matrix @ step
        expected, found = float(step @ bent), float(step @ change)
        if found < 0.2 * expected:
            part = 0.8 * expected / (expected - found)
            change = part * change + (1.0 - part) * bent
            found = float(step @ change)
        self.matrix = self.matrix + np.outer(change, change) / found - np.outer(bent, bent) / expected


def first_curvature(landscape: Landscape, positions: Float[np.ndarray, "atom x"]) -> Curvature:
    """Return the guess of a search: springs between atoms where there are atoms, else a multiple of 1.

    k_ij = 0.45 exp[α (r₀² - r²)] between two atoms along their distance, and 0.05 hartree/bohr² everywhere.
    """
    size = positions.size
    if landscape.atomic_numbers is None:
        return Curvature(np.eye(size), is_scaled=False)
    row = np.searchsorted([3, 11], np.array(landscape.atomic_numbers), side="right")
    matrix = np.zeros((len(positions), 3, len(positions), 3))
    for i in range(len(positions)):
        for j in range(i):
            vector = positions[i] - positions[j]
            square = float(vector @ vector)
            reference, exponent = _REFERENCE[row[i], row[j]], _EXPONENT[row[i], row[j]]
            spring = _STRETCH * np.exp(exponent * min(reference**2 - square, 0.0))
            along = spring * np.outer(vector, vector) / square
            matrix[i, :, i] += along
            matrix[j, :, j] += along
            matrix[i, :, j] -= along
            matrix[j, :, i] -= along
    return Curvature(matrix.reshape(size, size) + _SOFT * np.eye(size), is_scaled=True)


def best_step(
    gradient: Float[np.ndarray, "coordinate"],
    curvature: Float[np.ndarray, "coordinate coordinate"],
    *,
    radius: float,
) -> Float[np.ndarray, "coordinate"]:
    """Return the step of at most a radius that makes g·d + d·H·d/2 smallest, H being positive definite.

    d = -(H + μ)⁻¹ g with the μ ≥ 0 that gives it its length.
    """
    values, vectors = np.linalg.eigh(curvature)
    values = np.maximum(values, 1e-10)
    components = vectors.T @ gradient

    def length(shift: float) -> float:
        return float(np.linalg.norm(components / (values + shift)))

    low, high = 0.0, 0.0
    if length(0.0) > radius:
        high = float(np.linalg.norm(components)) / radius
        for _ in range(100):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if length(middle) > radius else (low, middle)
    return -vectors @ (components / (values + high))


def free_directions(
    landscape: Landscape, positions: Float[np.ndarray, "atom x"]
) -> Float[np.ndarray, "coordinate free"]:
    """Return orthonormal directions in which the molecule changes: no motion or turn of the whole."""
    size = positions.size
    if not landscape.is_rigid or landscape.atomic_numbers is None:
        return np.eye(size)
    motions = rigid_motions(positions)
    return np.linalg.qr(motions.T, mode="complete")[0][:, len(motions) :]
