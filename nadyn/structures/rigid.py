"""Vectors of a molecule, such as couplings, without their rigid translation and rotation."""

import numpy as np
from jaxtyping import Float

# Ratio of the smallest to the largest moment below which a molecule counts as linear.
_LINEAR = 1e-8


def without_rigid_part(
    vectors: Float[np.ndarray, "*batch atom 3"],
    positions: Float[np.ndarray, "atom 3"],
    *,
    periodic: bool = False,
) -> Float[np.ndarray, "*batch atom 3"]:
    """Return vectors orthogonal to all translations and rotations of a geometry, by the plain scalar product.

    No masses enter: what is left does not depend on isotopes. A linear molecule has two rotations, and in a
    cell there are translations only. NaN stays NaN.

    Args:
        vectors: Covariant vectors such as h_kl.
        positions: The geometry.
        periodic: Whether it is in a cell.
    """
    motions = rigid_motions(positions, periodic=periodic)
    flat = vectors.reshape(*vectors.shape[:-2], positions.size)
    return (flat - (flat @ motions.T) @ motions).reshape(vectors.shape)


def rigid_motions(
    positions: Float[np.ndarray, "atom 3"], *, periodic: bool = False
) -> Float[np.ndarray, "motion coordinate"]:
    """Return orthonormal translations, and rotations about the mean position: three, or two of a line."""
    relative = positions - positions.mean(axis=0)
    axes = np.eye(3)
    motions = [np.broadcast_to(axis, positions.shape) for axis in axes]
    if not periodic:
        moments, principal = np.linalg.eigh((relative**2).sum() * axes - relative.T @ relative)
        turning = moments > _LINEAR * max(moments[-1], np.finfo(float).tiny)
        motions += [np.cross(axis, relative) for axis in principal.T[turning]]
    return np.linalg.qr(np.stack([motion.ravel() for motion in motions], axis=1))[0].T
