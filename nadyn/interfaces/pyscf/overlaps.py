"""Overlaps of CASSCF states at two geometries, whose orbitals are not orthogonal to each other."""

from itertools import combinations

import numpy as np
from jaxtyping import Float


def state_overlaps(
    orbitals: Float[np.ndarray, "occupied occupied_there"],
    n_core: int,
    here: Float[np.ndarray, "state up down"],
    there: Float[np.ndarray, "state up down"],
    electrons: tuple[int, int],
) -> Float[np.ndarray, "state state"]:
    """Return S_kl = ⟨k here|l there⟩, core included.

    The overlap of two determinants is that of their orbitals, det s. All of them hold the same core:
    det s = det s_cc · det(s_IJ - s_Ic s_cc⁻¹ s_cJ), a minor of one small matrix for each spin.

    Args:
        orbitals: Overlap of doubly occupied and active orbitals here with those there.
        n_core: How many of them are doubly occupied.
        here: CI coefficients of each state over strings of spin up and down.
        there: Of the states at the other geometry.
        electrons: Active electrons with spin up and down.
    """
    core, active = slice(0, n_core), slice(n_core, None)
    small = orbitals[active, active]
    factor = 1.0
    if n_core:
        factor = np.linalg.det(orbitals[core, core]) ** 2
        small = small - orbitals[active, core] @ np.linalg.solve(orbitals[core, core], orbitals[core, active])
    up, down = (_minors(small, n) for n in electrons)
    carried = (up.T @ here @ down).reshape(len(here), -1)
    return factor * carried @ there.reshape(len(there), -1).T


def _minors(matrix: Float[np.ndarray, "active active"], n: int) -> Float[np.ndarray, "string string"]:
    """Return the determinants of all n x n parts of a matrix, in PySCF's order of strings."""
    # By the largest orbital first: the order of occupation numbers read as binary numbers.
    strings = sorted(combinations(range(len(matrix)), n), key=lambda string: string[::-1])
    rows = np.array(strings, dtype=np.int64).reshape(len(strings), n)
    parts = matrix[rows[:, None, :, None], rows[None, :, None, :]]
    return np.linalg.det(parts) if n else np.ones((1, 1))
