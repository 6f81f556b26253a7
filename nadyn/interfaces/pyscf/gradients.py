"""Energy gradients and interstate couplings of all states of a state-averaged CASSCF wave function.

One state is not stationary with the orbitals of the average, and answers to them through multipliers z:
∂E_k = ∂E_k|fixed + z·∂(gradient of the average). The multipliers solve H z = -g_k with the Hessian of the
average. Everything that multiplies integrals is gathered first, so that derivatives of integrals are computed
once a geometry. A coupling h_kl has the transition density in the place of the density, no core, and the
term (E_l - E_k)⟨k|∂l⟩ of orbitals that move with their nuclei.

Source: J. Stålring, A. Bernhardsson and R. Lindh, Mol. Phys. 99, 103 (2001); S. Fatehi, E. Alguire, Y. Shao
and J. E. Subotnik, J. Chem. Phys. 135, 234105 (2011).
"""

from collections.abc import Sequence
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
from nadyn.interfaces.pyscf.generalised_fock import OrbitalIntegrals, Target, symmetric

_TOLERANCE = 1e-7
_SMALLEST = 1e-11
_MOST_CYCLES = 100


@dataclass(frozen=True)
class Gradients:
    """Gradients of states and h of pairs, NaN for others, and whether the response to the orbitals converged.

    Attributes:
        gradients: ∂E_k/∂R [hartree/bohr].
        couplings: h_kl [hartree/bohr] with the signs of the CI vectors, pairs in lexicographic order; zero
            between multiplicities.
        converged: Whether every set of multipliers was found.
    """

    gradients: Float[np.ndarray, "state atom 3"]
    couplings: Float[np.ndarray, "pair atom 3"]
    converged: bool


def gradients_and_couplings(
    mc: CASSCF,
    electrons: tuple[tuple[int, int], ...],
    *,
    energies: Float[np.ndarray, "state"],
    couplings: bool,
    translation_factors: bool,
    states: Sequence[int] | None = None,
    pairs: Sequence[tuple[int, int]] | None = None,
) -> Gradients:
    """Return gradients and couplings of a converged state-averaged wave function.

    Args:
        mc: The wave function.
        electrons: Active electrons of each state with spin up and down.
        energies: Energies of the states, whose CI vectors are in the same order.
        couplings: Whether pairs of states are wanted.
        translation_factors: Without the term ⟨k|∂l⟩ of moving orbitals, as electron translation factors do.
        states: Those whose gradients are wanted, all if None.
        pairs: Those k < l whose couplings are wanted, all if None.
    """
    n_states, ncas = len(electrons), mc.ncas
    ci = [np.asarray(vector) for vector in mc.ci]
    all_pairs = [(k, l) for k in range(n_states) for l in range(k + 1, n_states)]
    states = range(n_states) if states is None else states
    pairs = (all_pairs if pairs is None else pairs) if couplings else []
    allowed = [(k, l) for k, l in pairs if electrons[k] == electrons[l]]
    gradients = np.full((n_states, mc.mol.natm, 3), np.nan)
    found = np.full((len(all_pairs), mc.mol.natm, 3), np.nan)
    for k, l in pairs:
        found[all_pairs.index((k, l))] = 0.0
    targets = [_state(ci[k], ncas, electrons[k]) for k in states]
    targets += [_transition(ci[k], ci[l], ncas, electrons[k]) for k, l in allowed]
    if not targets:
        return Gradients(gradients, found, True)
    derivatives, converged = _derivatives(mc, ci, targets)
    for (k, l), h in zip(allowed, derivatives[len(states) :], strict=True):
        if not translation_factors:
            h = h + (energies[l] - energies[k]) * _moving_orbitals(mc, ci[k], ci[l], electrons[k])
        found[all_pairs.index((k, l))] = h
    gradients[list(states)] = derivatives[: len(states)] + mc._scf.nuc_grad_method().grad_nuc()
    return Gradients(gradients, found, converged)


def _state(vector: np.ndarray, ncas: int, electrons: tuple[int, int]) -> Target:
    one, two = direct_spin1.make_rdm12(vector, ncas, electrons)
    return Target(one, symmetric(two), True)


def _transition(bra: np.ndarray, ket: np.ndarray, ncas: int, electrons: tuple[int, int]) -> Target:
    one, two = direct_spin1.trans_rdm12(bra, ket, ncas, electrons)
    return Target(0.5 * (one + one.T), symmetric(two), False)


def _derivatives(
    mc: CASSCF, ci: list[np.ndarray], targets: list[Target]
) -> tuple[Float[np.ndarray, "target atom 3"], bool]:
    orbitals = OrbitalIntegrals(mc, ci)
    mo, active = orbitals.mo, orbitals.mo[:, orbitals.active]
    core = 2.0 * mo[:, orbitals.core] @ mo[:, orbitals.core].T
    average = active @ orbitals.average.one @ active.T
    products = _products(active, active)
    solver = _Multipliers(mc, ci, orbitals)
    energies, densities, overlaps = [], [], []
    for target in targets:
        turn, answered = solver.solve(target)
        full = Target(target.one + answered.one, target.two + answered.two, target.has_core)
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
    target: Target,
    average: Target,
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

    def __init__(self, mc: CASSCF, ci: list[np.ndarray], orbitals: OrbitalIntegrals) -> None:
        self._mc, self._ci, self._orbitals = mc, ci, orbitals
        self._method = response.Gradients(mc)
        self._operator, self._diagonal = self._method.get_Aop_Adiag(
            state=0, mo=mc.mo_coeff, ci=ci, eris=orbitals.eris, verbose=0
        )
        self.converged = True

    def solve(self, target: Target) -> tuple[np.ndarray, Target]:
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
        return turn, Target(one + one.T, 2.0 * symmetric(two), False)


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
