"""Overlaps and dipoles of a closed shell and of singly excited states, from orbitals and amplitudes.

An excited state is Σ X_ia (i→a with spin up ± with spin down)/√2, + for singlets. The amplitudes Y of the
full linear response are left away and the X made orthonormal, as is usual: states of linear response have
no wave functions of their own.
"""

import numpy as np
from jaxtyping import Float
from pyscf import gto

from nadyn.interfaces.pyscf.orbitals import Orbitals

# Overlaps of occupied orbitals have no smaller singular value. Minors of a singular matrix are found with an
# error of this size, while its inverse keeps ten digits.
_SMALLEST = 1e-5

Amplitudes = Float[np.ndarray, "root occupied empty"]


def orthonormal_amplitudes(amplitudes: Float[np.ndarray, "root 2 occupied empty"]) -> Amplitudes:
    """Return the orthonormal set nearest to the X of roots."""
    x = amplitudes[:, 0].reshape(len(amplitudes), -1)
    left, _, right = np.linalg.svd(x, full_matrices=False)
    return (left @ right).reshape(amplitudes[:, 0].shape)


def response_overlaps(
    orbitals: Float[np.ndarray, "orbital orbital_there"],
    here: Amplitudes,
    there: Amplitudes,
    *,
    singlet: bool,
) -> Float[np.ndarray, "state state"]:
    """Return S_kl = ⟨k here|l there⟩ of the ground state and its excited states of one multiplicity.

    With M the overlap of occupied orbitals, determinants whose rows or columns are exchanged are det M times
    small minors: P_ia = M_a M⁻¹ for a row, Q for a column, and P Q + M⁻¹ (M_ab - M_a M⁻¹ M_b) for both.

    Source: F. Plasser et al., J. Chem. Theory Comput. 12, 1207 (2016); M. Sapunar, T. Piteša, D. Davidović
    and N. Došlić, J. Chem. Theory Comput. 15, 3461 (2019).

    Args:
        orbitals: Overlap of all orbitals here with those there, the occupied first.
        here: Orthonormal amplitudes X.
        there: Of the states at the other geometry.
        singlet: Whether excited states are singlets, or triplets, which do not overlap with the ground state.
    """
    n = here.shape[1]
    left, values, right = np.linalg.svd(orbitals[:n, :n])
    values = np.maximum(values, _SMALLEST)
    determinant = np.linalg.det(left) * np.linalg.det(right) * values.prod()
    inverse = (right.T / values) @ left.T
    rows = orbitals[n:, :n] @ inverse
    columns = inverse @ orbitals[:n, n:]
    empty = orbitals[n:, n:] - orbitals[n:, :n] @ columns
    both = np.einsum("kia,ji,ab,ljb->kl", here, inverse, empty, there, optimize=True)
    result = np.zeros((1 + len(here), 1 + len(there)))
    result[0, 0] = 1.0
    if singlet:
        from_here = np.einsum("kia,ai->k", here, rows)
        from_there = np.einsum("ljb,jb->l", there, columns)
        result[1:, 0] = np.sqrt(2.0) * from_here
        result[0, 1:] = np.sqrt(2.0) * from_there
        both = both + 2.0 * np.outer(from_here, from_there)
    result[1:, 1:] = both
    # Once for each spin.
    return determinant**2 * result


def response_dipoles(
    mol: gto.Mole, orbitals: Orbitals, amplitudes: Amplitudes, *, singlet: bool
) -> Float[np.ndarray, "state state 3"]:
    """Return ⟨k|μ|l⟩ [e bohr] about the origin, of the ground state and excited ones of one multiplicity.

    Without the response of the orbitals to the excitation.
    """
    n = amplitudes.shape[1]
    moments = -np.einsum("pi,xpq,qj->xij", orbitals, mol.intor("int1e_r", comp=3), orbitals)
    result = np.zeros((1 + len(amplitudes), 1 + len(amplitudes), 3))
    ground = mol.atom_charges() @ mol.atom_coords() + 2.0 * np.einsum("xii->x", moments[:, :n, :n])
    result[1:, 1:] = np.einsum("kia,lib,xab->klx", amplitudes, amplitudes, moments[:, n:, n:], optimize=True)
    result[1:, 1:] -= np.einsum("kia,lja,xij->klx", amplitudes, amplitudes, moments[:, :n, :n], optimize=True)
    result[np.diag_indices(len(result))] += ground
    if singlet:
        result[0, 1:] = np.sqrt(2.0) * np.einsum("kia,xia->kx", amplitudes, moments[:, :n, n:])
        result[1:, 0] = result[0, 1:]
    return result
