"""How one geometry is laid on another, atom on atom."""

import numpy as np
from jaxtyping import Float


def rotation_onto(
    moving: Float[np.ndarray, "atom 3"], fixed: Float[np.ndarray, "atom 3"]
) -> Float[np.ndarray, "3 3"]:
    """Return the proper rotation Q for which (moving - its mean) Q is nearest to fixed - its mean.

    Source: W. Kabsch, Acta Cryst. A 32, 922 (1976).
    """
    left, _, right = np.linalg.svd(_centred(moving).T @ _centred(fixed))
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
