"""Integrals and potentials of CASSCF with density fitting, faster than those of PySCF, and the same.

Nearly all of the time goes into exchange. PySCF computes that of a density as of any matrix, and all of the
integrals (P|pq) for a few of them. The densities here are those of few orbitals, D = O w Oᵀ, with exchange
Σ_P (L^P O) w (L^P O)ᵀ. A turn of the orbitals changes them by D = O Bᵀ + B Oᵀ, and only occupied rows of the
potential are asked for: (P|ν i) = Σ_μ L^P_νμ O_μi, the same of B, and the rows (P|i k) are enough.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from pyscf import df, gto, lib
from pyscf.mcscf.mc1step import CASSCF

# Bytes of unpacked integrals at a time, and up to how many all of them are held.
_BLOCK_BYTES = 100e6
_HELD_BYTES = 500e6
# Weights of orbitals beside the largest that are none.
_NOTHING = 1e-14


@dataclass(frozen=True)
class OrbitalIntegrals:
    """What CASSCF of PySCF asks `ao2mo` for, under its names.

    Attributes:
        ppaa: (pq|uv) with u, v active.
        papa: (pu|qv).
        j_pc: (pp|ii) with i of the core.
        k_pc: (pi|pi).
        vhf_c: Potential of the core.
    """

    ppaa: Float[np.ndarray, "orbital orbital active active"]
    papa: Float[np.ndarray, "orbital active orbital active"]
    j_pc: Float[np.ndarray, "orbital core"]
    k_pc: Float[np.ndarray, "orbital core"]
    vhf_c: Float[np.ndarray, "orbital orbital"]


def answer_fast(mc: CASSCF) -> None:
    """Give a CASSCF object with density fitting the faster integrals and potentials."""
    # Nothing that refers to the object itself, which would outlive its use with all integrals.
    integrals = FittedIntegrals(mc.with_df, mc.ncore, mc.ncas)

    def potentials(
        mol: gto.Mole | None,
        densities: Sequence[np.ndarray] | np.ndarray,
        hermi: int = 1,
        with_j: bool = True,
        with_k: bool = True,
        omega: float | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        del mol
        each = np.asarray(densities)
        if hermi == 1 and with_j and with_k and omega is None:
            found = integrals.potentials(each)
            if found is not None:
                return found
        return integrals.fitting.get_jk(each, hermi, with_j=with_j, with_k=with_k, omega=omega)

    mc.get_jk = potentials
    mc.ao2mo = integrals.of_orbitals
    mc.update_jk_in_ah = integrals.turned


class FittedIntegrals:
    """Integrals of one geometry by density fitting, Σ_P L^P_μν L^P_λσ."""

    def __init__(self, fitting: df.DF, n_core: int, n_active: int) -> None:
        """Take the fitting of PySCF, built or not."""
        self.fitting = fitting
        n_occupied = n_core + n_active
        self._core, self._active = slice(0, n_core), slice(n_core, n_occupied)
        # Where a core row meets twice the core's change and the active one, an active row that of the core.
        self._factors = np.zeros((n_occupied, n_occupied))
        self._factors[self._core, self._core], self._factors[self._core, self._active] = 2.0, 1.0
        self._factors[self._active, self._core] = 1.0
        self._held: list[np.ndarray] = []
        self._orbitals: np.ndarray | None = None
        self._halves: list[np.ndarray] = []

    def potentials(
        self, densities: Float[np.ndarray, "*density ao ao"]
    ) -> tuple[Float[np.ndarray, "*density ao ao"], Float[np.ndarray, "*density ao ao"]] | None:
        """Return J and K of densities of few orbitals; None where they are of many, or not symmetric."""
        n = densities.shape[-1]
        each = densities.reshape(-1, n, n)
        if not np.allclose(each, each.transpose(0, 2, 1), rtol=0.0, atol=1e-12):
            return None
        values, vectors = np.linalg.eigh(each)
        counts = np.abs(values) > _NOTHING * np.abs(values).max(initial=1.0)
        if counts.sum() > n // 2:
            return None
        coulomb, exchange = np.zeros_like(each), np.zeros_like(each)
        weights = [w[c] for w, c in zip(values, counts, strict=True)]
        orbitals = [v[:, c] for v, c in zip(vectors, counts, strict=True)]
        for block in self._blocks(n):
            for k, (w, orbital) in enumerate(zip(weights, orbitals, strict=True)):
                half = orbital.T @ block
                fitted = np.einsum("pkn,nk->p", half, orbital * w)
                coulomb[k] += np.tensordot(fitted, block, axes=1)
                exchange[k] += (half * w[:, None]).reshape(-1, n).T @ half.reshape(-1, n)
        return coulomb.reshape(densities.shape), exchange.reshape(densities.shape)

    def of_orbitals(self, mo: Float[np.ndarray, "ao orbital"]) -> OrbitalIntegrals:
        """Return the integrals over orbitals that CASSCF needs, in the place of `ao2mo`."""
        core, active = self._core, self._active
        n, n_mo = mo.shape
        n_core, n_active = core.stop, active.stop - active.start
        coulomb, exchange = np.zeros((n, n)), np.zeros((n_mo, n_mo))
        k_pc = np.zeros((n_core, n_mo))
        papa = np.zeros((n_mo * n_active,) * 2)
        ppaa = np.zeros((n_active**2, n, n))
        fitted_core = []
        for block, half in zip(self._blocks(n), self._halves_of(mo[:, : active.stop]), strict=True):
            both = half @ mo
            of_core = both[:, core]
            k_pc += np.einsum("pki,pki->ki", of_core, of_core)
            fitted = np.einsum("pkk->pk", of_core[:, :, core])
            fitted_core.append(fitted)
            coulomb += np.tensordot(fitted.sum(axis=1), block, axes=1)
            flat = of_core.reshape(-1, n_mo)
            exchange += flat.T @ flat
            of_active = np.ascontiguousarray(both[:, active].transpose(0, 2, 1)).reshape(len(both), -1)
            papa += of_active.T @ of_active
            both_active = both[:, active, active].reshape(len(both), -1)
            ppaa += (both_active.T @ block.reshape(len(block), -1)).reshape(-1, n, n)
        ppaa = (mo.T @ ppaa @ mo).transpose(1, 2, 0).reshape(n_mo, n_mo, n_active, n_active)
        return OrbitalIntegrals(
            ppaa=np.ascontiguousarray(ppaa),
            papa=papa.reshape(n_mo, n_active, n_mo, n_active),
            j_pc=self._squares(mo).T @ np.concatenate(fitted_core),
            k_pc=np.ascontiguousarray(k_pc.T),
            vhf_c=2.0 * (mo.T @ coulomb @ mo) - exchange,
        )

    def turned(
        self,
        mo: Float[np.ndarray, "ao orbital"],
        turn: Float[np.ndarray, "orbital orbital"],
        one: Float[np.ndarray, "active active"],
        eris: object,
    ) -> tuple[Float[np.ndarray, "active orbital"], Float[np.ndarray, "core empty"]]:
        """Return 2J - K of a turn in active and core rows, in the place of `update_jk_in_ah`.

        Args:
            mo: Orbitals before the turn.
            turn: The turn, antisymmetric.
            one: Density matrix of the active electrons.
            eris: Integrals of PySCF, not needed here.
        """
        del eris
        core, active = self._core, self._active
        n, occupied = mo.shape[0], mo[:, : active.stop]
        turned = np.hstack(
            [mo[:, active.start :] @ turn[core, active.start :].T, mo @ turn[active].T @ one.T]
        )
        rows = np.zeros((active.stop, n))
        for block, half in zip(self._blocks(n), self._halves_of(occupied), strict=True):
            other = turned.T @ block
            # What the change of each occupied orbital does to the fitted density.
            change = 2.0 * np.einsum("pkn,nk->pk", half, turned)
            of_core, of_active = change[:, core].sum(axis=1), change[:, active].sum(axis=1)
            rows[active] += 2.0 * np.tensordot(of_core, half[:, active], axes=1)
            rows[core] += 2.0 * np.tensordot(2.0 * of_core + of_active, half[:, core], axes=1)
            for left, right in ((half @ occupied, other), (other @ occupied, half)):
                # (P k i): the occupied orbital i beside the one that is summed over.
                weighted = (left * self._factors.T).reshape(-1, active.stop)
                rows -= weighted.T @ right.reshape(-1, n)
        return one @ rows[active] @ mo, rows[core] @ mo[:, active.start :]

    def _halves_of(self, occupied: Float[np.ndarray, "ao occupied"]) -> list[np.ndarray]:
        """Return (P|i ν) in blocks, those of the orbitals that were asked for last without computing."""
        if self._orbitals is None or not np.array_equal(self._orbitals, occupied):
            self._orbitals = occupied.copy()
            self._halves = [occupied.T @ block for block in self._blocks(len(occupied))]
        return self._halves

    def _squares(self, mo: Float[np.ndarray, "ao orbital"]) -> Float[np.ndarray, "function orbital"]:
        """Return (P|pp), from packed integrals, each of which stands for two but on the diagonal."""
        rows, columns = np.tril_indices(len(mo))
        products = mo[rows] * mo[columns] * np.where(rows == columns, 1.0, 2.0)[:, None]
        return np.concatenate([block @ products for block in self.fitting.loop()])

    def _blocks(self, n: int) -> Iterator[Float[np.ndarray, "function ao ao"]]:
        """Yield L^P for some P at a time."""
        if self._held:
            yield from self._held
            return
        hold = self.fitting.get_naoaux() * n * n * 8 <= _HELD_BYTES
        held = []
        for packed in self.fitting.loop(max(1, int(_BLOCK_BYTES / (8 * n * n)))):
            block = lib.unpack_tril(packed)
            if hold:
                held.append(block)
            yield block
        self._held = held
