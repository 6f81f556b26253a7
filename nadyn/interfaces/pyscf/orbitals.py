"""Orbitals to begin with: orthonormal again at another geometry, and active ones in their place."""

import numpy as np
from jaxtyping import Float

Orbitals = Float[np.ndarray, "ao orbital"]


def orthonormal(
    occupied: Float[np.ndarray, "ao occupied"], overlap: Float[np.ndarray, "ao ao"]
) -> Float[np.ndarray, "ao orbital"]:
    """Return the orthonormal orbitals nearest to these, C (Cᵀ S C)^-½, and empty ones behind them.

    Source: P.-O. Löwdin, J. Chem. Phys. 18, 365 (1950).
    """
    values, vectors = np.linalg.eigh(occupied.T @ overlap @ occupied)
    near = occupied @ (vectors / np.sqrt(values)) @ vectors.T
    # Empty orbitals span the rest: any basis of it serves.
    values, vectors = np.linalg.eigh(overlap)
    every = vectors / np.sqrt(values)
    inside = every.T @ overlap @ near
    rest = np.linalg.svd(inside, full_matrices=True)[0][:, near.shape[1] :]
    return np.hstack([near, every @ rest])


def active_overlap(first: Orbitals, second: Orbitals, overlap: Float[np.ndarray, "ao ao"]) -> float:
    """Return the smallest singular value of the overlap of two sets of orthonormal orbitals."""
    return float(np.linalg.svd(first.T @ overlap @ second, compute_uv=False)[-1])
