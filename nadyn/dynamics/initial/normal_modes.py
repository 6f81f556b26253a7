"""Harmonic vibrations about a minimum."""

from collections.abc import Set
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from nadyn.checks.errors import InputError
from nadyn.units import INVERSE_CM_PER_HARTREE

# Ratio of the smallest to the largest moment of inertia below which a molecule counts as linear.
_LINEAR = 1e-6


@dataclass(frozen=True, eq=False)
class NormalModes:
    """Independent harmonic oscillators about a geometry.

    R = centre + M^-½ Σ_m q_m e_m and P = M^½ Σ_m p_m e_m with H = Σ_m (p_m² + ω_m² q_m²) / 2.

    Attributes:
        centre: Geometry of the minimum [bohr].
        masses: Mass of each atom or coordinate [electron mass].
        frequencies: ω_m [hartree], ascending.
        vectors: Orthonormal e_m.
        bends: Pairs of modes of a linear molecule that bend it in two planes; none in other molecules.
    """

    centre: Float[np.ndarray, "atom x"]
    masses: Float[np.ndarray, "atom"]
    frequencies: Float[np.ndarray, "mode"]
    vectors: Float[np.ndarray, "mode atom x"]
    bends: tuple[tuple[int, int], ...] = ()


def normal_modes(
    hessian: Float[np.ndarray, "coordinate coordinate"],
    positions: Float[np.ndarray, "atom 3"],
    masses: Float[np.ndarray, "atom"],
    *,
    laws: Set[str],
) -> NormalModes:
    """Return the vibrations of a molecule: 3N-6 of them, or 3N-5 if it is linear.

    Eigenvectors of M^-½ H M^-½ in the space orthogonal to translations and rotations. These are taken out
    only as far as the energy does not depend on them.

    Source: E. B. Wilson, J. C. Decius and P. C. Cross, Molecular Vibrations (1955), chapter 2.

    Args:
        hessian: Second derivatives of the energy [hartree/bohr²].
        positions: Geometry of the minimum [bohr].
        masses: Masses [electron mass].
        laws: Laws of the model; translation and rotation count here.

    Raises:
        InputError: A frequency is imaginary, or there is no vibration at all.
    """
    values, vectors = vibrations(hessian, positions, masses, laws=laws)
    if values[0] <= 0.0:
        imaginary = int(np.sum(values <= 0.0))
        largest = np.sqrt(-values[0]) * INVERSE_CM_PER_HARTREE
        raise InputError(
            f"every frequency must be real, but {imaginary} of {len(values)} are not (the largest is "
            f"{largest:.0f}i cm-1): the geometry is no minimum. Give a `geometry` displaced from it, "
            "or train the model on more geometries around the minimum."
        )
    return NormalModes(positions, masses, np.sqrt(values), vectors, bends_of(vectors, positions, masses))


def bends_of(
    vectors: Float[np.ndarray, "mode atom 3"],
    positions: Float[np.ndarray, "atom 3"],
    masses: Float[np.ndarray, "atom"],
) -> tuple[tuple[int, int], ...]:
    """Return the pairs of modes that bend a linear molecule in two planes; none of other molecules."""
    linear_axis = _axis(positions, masses)
    return () if linear_axis is None else _bends(vectors, linear_axis)


def vibrations(
    hessian: Float[np.ndarray, "coordinate coordinate"],
    positions: Float[np.ndarray, "atom 3"],
    masses: Float[np.ndarray, "atom"],
    *,
    laws: Set[str],
) -> tuple[Float[np.ndarray, "mode"], Float[np.ndarray, "mode atom 3"]]:
    """Return ω² of each vibration [hartree²], ascending and negative where it is none, and the vectors e_m.

    Raises:
        InputError: There is no vibration at all.
    """
    rigid = rigid_motions(positions, masses, laws=laws)
    size = hessian.shape[0]
    if len(rigid) >= size:
        raise InputError(f"a molecule to sample must vibrate, but this one has {len(masses)} atom.")
    # The rest of an orthonormal basis whose first members span the rigid motions.
    basis = np.linalg.svd(rigid)[2][len(rigid) :] if len(rigid) else np.eye(size)
    root = np.repeat(np.sqrt(masses), 3)
    values, inner = np.linalg.eigh(basis @ (hessian / np.outer(root, root)) @ basis.T)
    return values, (inner.T @ basis).reshape(-1, *positions.shape)


def rigid_motions(
    positions: Float[np.ndarray, "atom 3"], masses: Float[np.ndarray, "atom"], *, laws: Set[str]
) -> Float[np.ndarray, "motion coordinate"]:
    """Return orthonormal mass-weighted translations and rotations that are laws of the model."""
    root = np.sqrt(masses)[:, None]
    relative = positions - (masses[:, None] * positions).sum(0) / masses.sum()
    axes = np.eye(3)
    motions = []
    if "translation" in laws:
        motions += [root * axis for axis in axes]
    if "rotation" in laws:
        inertia = _inertia(relative, masses)
        moments, principal = np.linalg.eigh(inertia)
        turning = moments > _LINEAR * max(moments[-1], np.finfo(float).tiny)
        # Where translation is no law, the energy is kept only by rotations about the fixed origin.
        centre = relative if "translation" in laws else positions
        motions += [root * np.cross(axis, centre) for axis in principal.T[turning]]
    if not motions:
        return np.zeros((0, positions.size))
    return np.linalg.qr(np.stack([m.reshape(-1) for m in motions], axis=1))[0].T


def _axis(positions: np.ndarray, masses: np.ndarray) -> np.ndarray | None:
    """Axis of a linear molecule, None for other molecules."""
    relative = positions - (masses[:, None] * positions).sum(0) / masses.sum()
    moments, principal = np.linalg.eigh(_inertia(relative, masses))
    return principal[:, 0] if moments[0] <= _LINEAR * moments[-1] else None


def _inertia(relative: np.ndarray, masses: np.ndarray) -> np.ndarray:
    squares = (masses * (relative**2).sum(-1)).sum()
    return squares * np.eye(3) - relative.T @ (masses[:, None] * relative)


def _bends(vectors: np.ndarray, axis: np.ndarray) -> tuple[tuple[int, int], ...]:
    """Pair the modes across the axis: in order of frequency two of a pair are neighbours."""
    along = ((vectors @ axis) ** 2).sum(-1)
    across = np.flatnonzero(along < 0.5)
    return tuple((int(a), int(b)) for a, b in zip(across[::2], across[1::2], strict=False))
