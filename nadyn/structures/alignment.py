"""How one geometry is laid on another, atom on atom."""

import numpy as np
from jaxtyping import Float

# Second singular value of a rod, beside the first.
_ROD = 1e-12


def rotation_onto(
    moving: Float[np.ndarray, "atom 3"], fixed: Float[np.ndarray, "atom 3"]
) -> Float[np.ndarray, "3 3"]:
    """Return the proper rotation Q for which (moving - its mean) Q is nearest to fixed - its mean.

    Where all atoms lie on a line, every turn about it fits as well: Q is then the smallest of all.

    Source: W. Kabsch, Acta Cryst. A 32, 922 (1976).
    """
    left, sizes, right = np.linalg.svd(_centred(moving).T @ _centred(fixed))
    if sizes[1] <= _ROD * sizes[0]:
        return _axis_onto(left[:, 0], right[0]) if sizes[0] > 0.0 else np.eye(3)
    # Without a mirror, which would turn a molecule into its mirror image.
    mirror = np.sign(np.linalg.det(left @ right))
    return left @ np.diag([1.0, 1.0, mirror]) @ right


def aligned_displacements(
    moving: Float[np.ndarray, "atom 3"], fixed: Float[np.ndarray, "atom 3"]
) -> Float[np.ndarray, "atom 3"]:
    """Return the way of each atom from `fixed` to `moving`, laid on it, in the frame of `fixed`."""
    return _centred(moving) @ rotation_onto(moving, fixed) - _centred(fixed)


def aligned_distances(
    moving: Float[np.ndarray, "atom 3"], fixed: Float[np.ndarray, "frame atom 3"]
) -> Float[np.ndarray, "frame"]:
    """Return the root of the mean square distance of the atoms to each frame, when laid on it best."""
    a = _centred(moving)
    b = fixed - fixed.mean(axis=1, keepdims=True)
    covariance = np.einsum("nx,fny->fxy", a, b)
    singular = np.linalg.svd(covariance, compute_uv=False)
    singular[:, 2] *= np.sign(np.linalg.det(covariance))
    squares = (a**2).sum() + (b**2).sum(axis=(1, 2)) - 2.0 * singular.sum(axis=1)
    return np.sqrt(np.maximum(squares, 0.0) / len(moving))


def _centred(positions: np.ndarray) -> np.ndarray:
    return positions - positions.mean(axis=0)


def _axis_onto(axis: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the smallest rotation Q with axis Q = other, both of length one."""
    cosine, plane = axis @ other, np.outer(axis, other) - np.outer(other, axis)
    if cosine < -1.0 + 1e-9:
        across = np.linalg.svd(axis[None])[2][1]
        return 2.0 * np.outer(across, across) - np.eye(3)
    # Rodrigues' formula, with the sine within `plane`.
    return np.eye(3) + plane + plane @ plane / (1.0 + cosine)
