"""Energy gradients and interstate couplings of all states of a state-averaged CASSCF wave function.

One state is not stationary with the orbitals of the average, and answers to them through multipliers z:
∂E_k = ∂E_k|fixed + z·∂(gradient of the average). The multipliers solve H z = -g_k with the Hessian of the
average. Everything that multiplies integrals is gathered first, so that derivatives of integrals are computed
once a geometry. A coupling h_kl has the transition density in the place of the density, no core, and the
term (E_l - E_k)⟨k|∂l⟩ of orbitals that move with their nuclei.

Source: J. Stålring, A. Bernhardsson and R. Lindh, Mol. Phys. 99, 103 (2001); S. Fatehi, E. Alguire, Y. Shao
and J. E. Subotnik, J. Chem. Phys. 135, 234105 (2011).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from pyscf.fci import direct_spin1
from pyscf.grad import sacasscf as response
from pyscf.mcscf.mc1step import CASSCF
from scipy.sparse.linalg import LinearOperator, cg

from nadyn.interfaces.pyscf.derivative_integrals import (
    Form,
    fitted_repulsion_derivatives,
    repulsion_derivatives,
)

_TOLERANCE = 1e-7
_SMALLEST = 1e-11
_MOST_CYCLES = 100


@dataclass(frozen=True)
class Gradients:
    """Gradients of each state and h of each pair, and whether the response to the orbitals converged.

    Attributes:
        gradients: ∂E_k/∂R [hartree/bohr].
        couplings: h_kl [hartree/bohr] with the signs of the CI vectors, pairs in lexicographic order; zero
            between multiplicities.
        converged: Whether every set of multipliers was found.
    """

    gradients: Float[np.ndarray, "state atom 3"]
    couplings: Float[np.ndarray, "pair atom 3"]
    converged: bool


@dataclass(frozen=True)
class _Target:
    """A state or a pair of states: density matrices of the active electrons, and whether the core counts."""

    one: Float[np.ndarray, "active active"]
    two: Float[np.ndarray, "active active active active"]
    has_core: bool


def gradients_and_couplings(
    mc: CASSCF,
    electrons: tuple[tuple[int, int], ...],
    *,
    energies: Float[np.ndarray, "state"],
    couplings: bool,
    translation_factors: bool,
) -> Gradients:
    """Return gradients and couplings of a converged state-averaged wave function.

    Args:
        mc: The wave function.
        electrons: Active electrons of each state with spin up and down.
        energies: Energies of the states, whose CI vectors are in the same order.
        couplings: Whether pairs of states are wanted.
        translation_factors: Without the term ⟨k|∂l⟩ of moving orbitals, as electron translation factors do.
    """
    n_states, ncas = len(electrons), mc.ncas
    ci = [np.asarray(vector) for vector in mc.ci]
    targets = [_state(vector, ncas, nelec) for vector, nelec in zip(ci, electrons, strict=True)]
    pairs = [(k, l) for k in range(n_states) for l in range(k + 1, n_states)]
    allowed = [(k, l) for k, l in pairs if couplings and electrons[k] == electrons[l]]
    targets += [_transition(ci[k], ci[l], ncas, electrons[k]) for k, l in allowed]
    derivatives, converged = _derivatives(mc, ci, targets)
    found = np.zeros((len(pairs), mc.mol.natm, 3))
    for (k, l), h in zip(allowed, derivatives[n_states:], strict=True):
        if not translation_factors:
            h = h + (energies[l] - energies[k]) * _moving_orbitals(mc, ci[k], ci[l], electrons[k])
        found[pairs.index((k, l))] = h
    nuclear = mc._scf.nuc_grad_method().grad_nuc()
    return Gradients(derivatives[:n_states] + nuclear, found, converged)


def _state(vector: np.ndarray, ncas: int, electrons: tuple[int, int]) -> _Target:
    one, two = direct_spin1.make_rdm12(vector, ncas, electrons)
    return _Target(one, _symmetric(two), True)


def _transition(bra: np.ndarray, ket: np.ndarray, ncas: int, electrons: tuple[int, int]) -> _Target:
    one, two = direct_spin1.trans_rdm12(bra, ket, ncas, electrons)
    return _Target(0.5 * (one + one.T), _symmetric(two), False)


def _symmetric(two: np.ndarray) -> np.ndarray:
    two = 0.5 * (two + two.transpose(1, 0, 2, 3))
    two = 0.5 * (two + two.transpose(0, 1, 3, 2))
    return 0.5 * (two + two.transpose(2, 3, 0, 1))


class _Orbitals:
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
        self.average = _Target(one, _symmetric(two), True)

    def from_active(self, one: np.ndarray) -> np.ndarray:
        """Coulomb and exchange potential of a density of active electrons."""
        return np.einsum("pquv,uv->pq", self.ppaa, one) - 0.5 * np.einsum("puqv,uv->pq", self.papa, one)

    def fock(self, target: _Target) -> np.ndarray:
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


def _derivatives(
    mc: CASSCF, ci: list[np.ndarray], targets: list[_Target]
) -> tuple[Float[np.ndarray, "target atom 3"], bool]:
    orbitals = _Orbitals(mc, ci)
    mo, active = orbitals.mo, orbitals.mo[:, orbitals.active]
    core = 2.0 * mo[:, orbitals.core] @ mo[:, orbitals.core].T
    average = active @ orbitals.average.one @ active.T
    products = _products(active, active)
    solver = _Multipliers(mc, ci, orbitals)
    energies, densities, overlaps = [], [], []
    for target in targets:
        turn, answered = solver.solve(target)
        full = _Target(target.one + answered.one, target.two + answered.two, target.has_core)
        turned = mo @ turn
        core_turned = 2.0 * turned[:, orbitals.core] @ mo[:, orbitals.core].T
        core_turned = core_turned + core_turned.T
        active_turned = turned[:, orbitals.active] @ orbitals.average.one @ active.T
        active_turned = active_turned + active_turned.T
        of_target = active @ full.one @ active.T
        with_core = core if target.has_core else np.zeros_like(core)
        forms = [
            Form(core, 0.5 * with_core + of_target + active_turned + core_turned, -0.5),
            Form(average, core_turned, -0.5),
        ]
        forms += _active_forms(
            products, _products(turned[:, orbitals.active], active), full, orbitals.average
        )
        energies.append(forms)
        densities.append(with_core + of_target + active_turned + core_turned)
        coulomb, exchange = mc.get_jk(mc.mol, np.stack([core_turned, active_turned]))
        potentials = mo.T @ (coulomb - 0.5 * exchange) @ mo
        fock = orbitals.fock(full) + orbitals.turned_fock(turn, (potentials[0], potentials[1]))
        overlaps.append(mo @ (0.5 * (fock + fock.T)) @ mo.T)
    fitting = getattr(mc, "with_df", None)
    if fitting:
        derivatives = fitted_repulsion_derivatives(mc.mol, fitting, energies)
    else:
        derivatives = repulsion_derivatives(mc.mol, energies)
    derivatives += _one_electron(mc, np.stack(densities), np.stack(overlaps))
    return derivatives, solver.converged


def _products(left: np.ndarray, right: np.ndarray) -> list[list[np.ndarray]]:
    """Symmetric products of two sets of orbitals, (u v) + (v u) halved."""
    m = left.shape[1]
    table = []
    for u in range(m):
        row = []
        for v in range(m):
            product = np.outer(left[:, u], right[:, v])
            row.append(0.5 * (product + product.T))
        table.append(row)
    return table


def _active_forms(
    products: list[list[np.ndarray]],
    turned: list[list[np.ndarray]],
    target: _Target,
    average: _Target,
) -> list[Form]:
    """½ Σ γ (uv|wx) of the target, and the change of that of the average as its orbitals turn."""
    m = len(products)
    forms = []
    for w in range(m):
        for x in range(w + 1):
            both = 1.0 if w == x else 2.0
            left = sum(
                0.5 * both * target.two[u, v, w, x] * products[u][v]
                + both * 2.0 * average.two[u, v, w, x] * turned[u][v]
                for u in range(m)
                for v in range(m)
            )
            forms.append(Form(left, products[w][x]))
    return forms


class _Multipliers:
    """Solves for the response of orbitals and CI vectors, with the Hessian of the state average."""

    def __init__(self, mc: CASSCF, ci: list[np.ndarray], orbitals: _Orbitals) -> None:
        self._mc, self._ci, self._orbitals = mc, ci, orbitals
        self._method = response.Gradients(mc)
        self._operator, self._diagonal = self._method.get_Aop_Adiag(
            state=0, mo=mc.mo_coeff, ci=ci, eris=orbitals.eris, verbose=0
        )
        self.converged = True

    def solve(self, target: _Target) -> tuple[np.ndarray, _Target]:
        """Return how the orbitals turn, and what the CI vectors answer as a density of active electrons."""
        mc, method = self._mc, self._method
        fock = self._orbitals.fock(target)
        right = np.zeros(method.nlag)
        right[: method.ngorb] = -2.0 * mc.pack_uniq_var(fock - fock.T)
        condition = method.get_lagrange_precond(
            self._diagonal.copy(), level_shift=method.level_shift, ci=self._ci
        )
        shape = (method.nlag, method.nlag)
        solution, flag = cg(
            LinearOperator(shape, matvec=self._operator, dtype=float),
            right,
            x0=condition(right.copy()),
            rtol=_TOLERANCE,
            atol=_SMALLEST,
            maxiter=_MOST_CYCLES,
            M=LinearOperator(shape, matvec=condition, dtype=float),
        )
        self.converged = self.converged and flag == 0 and bool(np.isfinite(solution).all())
        turn, vectors = method.unpack_uniq_var(solution)
        one, two = mc.fcisolver.trans_rdm12(
            [np.asarray(v).reshape(c.shape) for v, c in zip(vectors, self._ci, strict=True)],
            self._ci,
            mc.ncas,
            mc.nelecas,
        )
        return turn, _Target(one + one.T, 2.0 * _symmetric(two), False)


def _one_electron(
    mc: CASSCF, densities: Float[np.ndarray, "target ao ao"], weighted: Float[np.ndarray, "target ao ao"]
) -> Float[np.ndarray, "target atom 3"]:
    """Return Σ ∂h D - Σ ∂S W."""
    plain = mc._scf.nuc_grad_method()
    hamiltonian = plain.hcore_generator(mc.mol)
    overlap = plain.get_ovlp(mc.mol)
    result = np.empty((len(densities), mc.mol.natm, 3))
    for atom, (begin, end) in enumerate(mc.mol.aoslice_by_atom()[:, 2:]):
        result[:, atom] = np.einsum("xij,tij->tx", hamiltonian(atom), densities)
        result[:, atom] -= 2.0 * np.einsum("xij,tij->tx", overlap[:, begin:end], weighted[:, begin:end])
    return result


def _moving_orbitals(
    mc: CASSCF, bra: np.ndarray, ket: np.ndarray, electrons: tuple[int, int]
) -> Float[np.ndarray, "atom 3"]:
    """Return the part of ⟨k|∂l⟩ of atomic orbitals that move with their nuclei."""
    one = direct_spin1.trans_rdm1(bra, ket, mc.ncas, electrons)
    active = mc.mo_coeff[:, mc.ncore : mc.ncore + mc.ncas]
    density = active @ (one - one.T) @ active.T
    # -⟨∂i|j⟩, as gradients of PySCF have it.
    overlap = mc._scf.nuc_grad_method().get_ovlp(mc.mol)
    slices = mc.mol.aoslice_by_atom()[:, 2:]
    return np.stack([0.5 * np.einsum("xij,ij->x", overlap[:, b:e], density[b:e]) for b, e in slices])
