"""Generalised Fock matrices of states and pairs of states, and how they turn with the orbitals."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from pyscf.mcscf.mc1step import CASSCF


@dataclass(frozen=True)
class Target:
    """A state or a pair of states: density matrices of the active electrons, and whether the core counts."""

    one: Float[np.ndarray, "active active"]
    two: Float[np.ndarray, "active active active active"]
    has_core: bool


def symmetric(two: np.ndarray) -> np.ndarray:
    two = 0.5 * (two + two.transpose(1, 0, 2, 3))
    two = 0.5 * (two + two.transpose(0, 1, 3, 2))
    return 0.5 * (two + two.transpose(2, 3, 0, 1))


class OrbitalIntegrals:
    """Integrals over molecular orbitals that the equations share."""

    def __init__(self, mc: CASSCF, ci: list[np.ndarray]) -> None:
        self.mo = mc.mo_coeff
        self.ncore, self.ncas = mc.ncore, mc.ncas
        self.core = slice(0, mc.ncore)
        self.active = slice(mc.ncore, mc.ncore + mc.ncas)
        self.eris = mc.ao2mo(self.mo)
        self.h = self.mo.T @ mc.get_hcore() @ self.mo
        self.ppaa = np.stack([self.eris.ppaa[p] for p in range(self.mo.shape[1])])
        self.papa = np.stack([self.eris.papa[p] for p in range(self.mo.shape[1])])
        self.from_core = self.eris.vhf_c
        one, two = mc.fcisolver.make_rdm12(ci, mc.ncas, mc.nelecas)
        self.average = Target(one, symmetric(two), True)

    def from_active(self, one: np.ndarray) -> np.ndarray:
        """Coulomb and exchange potential of a density of active electrons."""
        return np.einsum("pquv,uv->pq", self.ppaa, one) - 0.5 * np.einsum("puqv,uv->pq", self.papa, one)

    def fock(self, target: Target) -> np.ndarray:
        """Generalised Fock matrix F_pq = h_pr D_rq + 2 Γ_qrst (pr|st)."""
        fock = np.zeros_like(self.h)
        fock[:, self.core] = 2.0 * self.from_active(target.one)[:, self.core]
        if target.has_core:
            fock[:, self.core] += 2.0 * (self.h + self.from_core)[:, self.core]
        fock[:, self.active] = (self.h + self.from_core)[:, self.active] @ target.one
        # (p u|v w) with u v w active.
        fock[:, self.active] += np.einsum("puvw,tuvw->pt", self.ppaa[:, self.active], target.two)
        return fock

    def turned_fock(self, turn: np.ndarray, potentials: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        """Return the change of the average's `fock` S⁻¹-wise as its orbitals turn by C z.

        Args:
            turn: z.
            potentials: Potentials of the changes of the core and of the active density, over orbitals.
        """
        one, two = self.average.one, self.average.two
        density = np.zeros_like(self.h)
        density[self.core, self.core] = 2.0 * np.eye(self.ncore)
        core = density.copy()
        density[self.active, self.active] = one
        active = density - core
        core_turned = turn @ core + (turn @ core).T
        active_turned = turn @ active + (turn @ active).T
        of_core, of_active = potentials
        fock = self.h @ (core_turned + active_turned)
        fock += (self.from_core + self.from_active(one)) @ core_turned + (of_core + of_active) @ core
        fock += of_core @ active + self.from_core @ active_turned
        # (p u|v w) with one of u v w turned, then with the last index of the density turned.
        turned = turn[:, self.active]
        integrals = np.einsum("pqvw,qu->puvw", self.ppaa, turned)
        moved = np.einsum("puqw,qv->puvw", self.papa, turned)
        integrals += moved + moved.transpose(0, 1, 3, 2)
        fock[:, self.active] += np.einsum("puvw,tuvw->pt", integrals, two)
        fock += np.einsum("puvw,tuvw->pt", self.ppaa[:, self.active], two) @ turned.T
        return fock
