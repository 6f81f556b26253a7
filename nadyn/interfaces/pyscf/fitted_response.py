"""Potentials of few orbitals with density fitting, the most expensive step of CASSCF and of its response.

PySCF computes the exchange of a density as of any matrix. The densities here are those of few orbitals,
D = O w Oᵀ, and K = Σ_P (L^P O) w (L^P O)ᵀ costs a third. A turn of the orbitals changes them by
D = O Bᵀ + B Oᵀ, and only occupied rows of the potential are asked for: with (P|ν i) = Σ_μ L^P_νμ O_μi, the
same of B, and the rows (P|i k) it costs an eighth. The numbers are the same.

Source: Q. Sun, J. Yang and G. K.-L. Chan, Chem. Phys. Lett. 683, 291 (2017), for what is computed.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float
from pyscf import df, gto, lib
from pyscf.mcscf.mc1step import CASSCF

# Bytes of unpacked integrals that are held at a time.
_BLOCK_BYTES = 100e6
# Weights of orbitals beside the largest that are none.
_NOTHING = 1e-14


def answer_fast(mc: CASSCF) -> None:
    """Give a CASSCF object with density fitting the faster potentials."""
    # Not the object itself: what refers to itself outlives its use, with all integrals.
    fitting = mc.with_df

    def potentials(
        mol: gto.Mole | None, densities: Sequence[np.ndarray] | np.ndarray, hermi: int = 1, **others: object
    ) -> tuple[np.ndarray, np.ndarray]:
        del mol
        found = None if others or hermi != 1 else fitted_potentials(fitting, np.asarray(densities))
        return fitting.get_jk(np.asarray(densities), hermi, **others) if found is None else found

    mc.get_jk = potentials
    if mc.ncore:
        mc.update_jk_in_ah = FittedResponse(fitting, mc.ncore, mc.ncas)


def fitted_potentials(
    fitting: df.DF, densities: Float[np.ndarray, "*density ao ao"]
) -> tuple[Float[np.ndarray, "*density ao ao"], Float[np.ndarray, "*density ao ao"]] | None:
    """Return J and K of densities of few orbitals; None where they are of too many, or not symmetric."""
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
    for block in blocks(fitting, n):
        for k, (w, orbital) in enumerate(zip(weights, orbitals, strict=True)):
            half = orbital.T @ block
            fitted = np.einsum("pkn,nk->p", half, orbital * w)
            coulomb[k] += np.tensordot(fitted, block, axes=1)
            rows = half.reshape(-1, n)
            exchange[k] += (half * w[:, None]).reshape(-1, n).T @ rows
    return coulomb.reshape(densities.shape), exchange.reshape(densities.shape)


def blocks(fitting: df.DF, n: int) -> Iterator[Float[np.ndarray, "function ao ao"]]:
    """Yield L^P, whose products summed over P are the fitted integrals, for some P at a time."""
    size = max(1, int(_BLOCK_BYTES / (8 * n * n)))
    for block in fitting.loop(size):
        yield lib.unpack_tril(block)


class FittedResponse:
    """Takes the place of `update_jk_in_ah` of a CASSCF object with density fitting."""

    def __init__(self, fitting: df.DF, n_core: int, n_active: int) -> None:
        self._fitting = fitting
        self._core, self._active = slice(0, n_core), slice(n_core, n_core + n_active)
        self._n_occupied = n_core + n_active
        # Where a core row meets twice the core's change and the active one, an active row that of the core.
        self._factors = np.zeros((self._n_occupied, self._n_occupied))
        self._factors[self._core, self._core], self._factors[self._core, self._active] = 2.0, 1.0
        self._factors[self._active, self._core] = 1.0
        self._orbitals: np.ndarray | None = None
        self._halves: list[np.ndarray] = []

    def __call__(
        self,
        mo: Float[np.ndarray, "ao orbital"],
        turn: Float[np.ndarray, "orbital orbital"],
        one: Float[np.ndarray, "active active"],
        eris: object,
    ) -> tuple[Float[np.ndarray, "active orbital"], Float[np.ndarray, "core empty"]]:
        """Return what active and core rows get, 2J - K over orbitals.

        Args:
            mo: Orbitals before the turn.
            turn: The turn, antisymmetric.
            one: Density matrix of the active electrons.
            eris: Integrals of PySCF, not needed here.
        """
        del eris
        core, active = self._core, self._active
        occupied = mo[:, : self._n_occupied]
        if self._orbitals is None or not np.array_equal(self._orbitals, occupied):
            self._orbitals = occupied.copy()
            self._halves = [occupied.T @ block for block in blocks(self._fitting, mo.shape[0])]
        turned = np.hstack(
            [mo[:, active.start :] @ turn[core, active.start :].T, mo @ turn[active].T @ one.T]
        )
        rows = np.zeros((self._n_occupied, mo.shape[0]))
        for block, half in zip(blocks(self._fitting, mo.shape[0]), self._halves, strict=True):
            other = turned.T @ block
            # What the change of each occupied orbital does to the fitted density.
            change = 2.0 * np.einsum("pkn,nk->pk", half, turned)
            of_core, of_active = change[:, core].sum(axis=1), change[:, active].sum(axis=1)
            rows[active] += 2.0 * np.tensordot(of_core, half[:, active], axes=1)
            rows[core] += 2.0 * np.tensordot(2.0 * of_core + of_active, half[:, core], axes=1)
            for left, right in ((half @ occupied, other), (other @ occupied, half)):
                # (P k i): the occupied orbital i beside the one that is summed over.
                weighted = left * self._factors.T
                n = weighted.shape[0] * weighted.shape[1]
                rows -= weighted.reshape(n, -1).T @ right.reshape(n, -1)
        return one @ rows[active] @ mo, rows[core] @ mo[:, active.start :]
