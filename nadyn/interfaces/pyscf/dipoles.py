"""Dipoles of CASSCF states."""

import numpy as np
from jaxtyping import Float
from pyscf import mcscf
from pyscf.fci import direct_spin1


def dipole_moments(
    mc: mcscf.mc1step.CASSCF, vectors: list[np.ndarray], electrons: tuple[tuple[int, int], ...]
) -> Float[np.ndarray, "state state 3"]:
    """Return ⟨k|μ|l⟩ about the origin of the geometry, without the response of the orbitals."""
    mol, n = mc.mol, len(vectors)
    operator = mol.intor("int1e_r", comp=3)
    core = 2.0 * mc.mo_coeff[:, : mc.ncore] @ mc.mo_coeff[:, : mc.ncore].T
    active = mc.mo_coeff[:, mc.ncore : mc.ncore + mc.ncas]
    in_active = active.T @ operator @ active
    fixed = mol.atom_charges() @ mol.atom_coords() - np.einsum("xij,ij->x", operator, core)
    result = np.zeros((n, n, 3))
    for k in range(n):
        for l in range(k, n):
            if electrons[k] == electrons[l]:
                density = direct_spin1.trans_rdm1(vectors[k], vectors[l], mc.ncas, electrons[k])
                moment = -np.einsum("xuv,uv->x", in_active, 0.5 * (density + density.T))
                result[k, l] = result[l, k] = moment + (fixed if k == l else 0.0)
    return result
