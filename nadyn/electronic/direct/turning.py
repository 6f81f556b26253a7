"""The rigid motion between two geometries, taken out before their states are compared."""

import numpy as np
from jaxtyping import Float

_ITERATIONS = 50
_SMALLEST_ANGLE = 1e-15
# A linear molecule has no inertia about its axis, and nothing turns about it.
_NO_INERTIA = 1e-10


def carried_turn(
    before: Float[np.ndarray, "atom 3"],
    after: Float[np.ndarray, "atom 3"],
    masses: Float[np.ndarray, "atom"],
    turn: Float[np.ndarray, "3 3"],
) -> Float[np.ndarray, "3 3"]:
    """Return the rotation Q' from `turn` under which `after` Q'^T has not turned against `before`.

    The condition is Eckart's, Σ m r × r' = 0 about the centres of mass: a molecule without angular momentum
    is not turned at all.

    Args:
        before: The geometry before, turned.
        after: The geometry after, as it lies in space.
        masses: [electron mass].
        turn: The rotation of the geometry before.
    """
    weights = masses / masses.sum()
    x = before - weights @ before
    free = after - weights @ after
    for _ in range(_ITERATIONS):
        y = free @ turn.T
        middle = 0.5 * (x + y)
        squares = np.einsum("nx,nx->n", middle, middle)
        inertia = np.eye(3) * (weights @ squares) - np.einsum("n,nx,ny->xy", weights, middle, middle)
        angular = weights @ np.cross(middle, y - x)
        moments, axes = np.linalg.eigh(inertia)
        turning = moments > _NO_INERTIA * max(moments[-1], np.finfo(float).tiny)
        components = np.where(turning, (axes.T @ angular) / np.where(turning, moments, 1.0), 0.0)
        # A rotation by an angle moves r by 2 tan(angle / 2) times its axis cross the mean of both.
        half = -0.5 * axes @ components
        turn = _rotation(half) @ turn
        if np.abs(half).max() < _SMALLEST_ANGLE:
            break
    return turn


def turned(
    positions: Float[np.ndarray, "atom 3"],
    masses: Float[np.ndarray, "atom"],
    turn: Float[np.ndarray, "3 3"],
    centre: Float[np.ndarray, "3"],
) -> Float[np.ndarray, "atom 3"]:
    """Return positions turned about their centre of mass, which is moved to `centre`."""
    weights = masses / masses.sum()
    return (positions - weights @ positions) @ turn.T + centre


def centre_of_mass(
    positions: Float[np.ndarray, "atom 3"], masses: Float[np.ndarray, "atom"]
) -> Float[np.ndarray, "3"]:
    """Return the centre of mass [bohr]."""
    return (masses / masses.sum()) @ positions


def _rotation(half: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3 3"]:
    """Return the rotation about a vector by twice the angle whose tangent is its length."""
    x, y, z = half
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.eye(3) + (2.0 / (1.0 + half @ half)) * (cross + cross @ cross)
