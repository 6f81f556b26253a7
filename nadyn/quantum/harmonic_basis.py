"""Products of oscillator functions, and the Hamiltonian of a vibronic coupling model in them."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy import sparse

from nadyn.checks.counts import counted
from nadyn.checks.errors import InputError
from nadyn.models.analytic.vibronic import VibronicCoupling
from nadyn.models.spin_states import spin_states

# Functions times states beyond which a propagation needs more memory than a workstation has.
_MOST_ELEMENTS = 4_000_000


@dataclass(frozen=True, eq=False)
class HarmonicBasis:
    """Products of eigenfunctions of the uncoupled oscillators.

    Attributes:
        quanta: Quanta of each mode in each function.
        strides: What a quantum of each mode adds to the key of a function.
        keys: One number a function, ascending.
    """

    quanta: Int[np.ndarray, "function mode"]
    strides: Int[np.ndarray, "mode"]
    keys: Int[np.ndarray, "function"]

    def shifted(self, shift: tuple[int, ...]) -> tuple[Int[np.ndarray, "pair"], Int[np.ndarray, "pair"]]:
        """Return pairs of functions, the second with `shift` more quanta than the first."""
        target = self.quanta + np.array(shift)
        # A stride leaves room for two quanta more than the basis has, so that keys stay unique.
        first = np.flatnonzero(np.all(target >= 0, axis=1))
        keys = target[first] @ self.strides
        second = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        found = self.keys[second] == keys
        return first[found], second[found]

    @property
    def edge(self) -> Bool[np.ndarray, "function"]:
        """Whether one more quantum in some mode leads out of the basis."""
        edge = np.zeros(len(self.keys), dtype=bool)
        for mode in range(len(self.strides)):
            inner = np.zeros_like(edge)
            inner[self.shifted(tuple(int(m == mode) for m in range(len(self.strides))))[0]] = True
            edge |= ~inner
        return edge


def harmonic_basis(
    frequencies: Float[np.ndarray, "mode"],
    *,
    n_states: int,
    largest_quanta: tuple[int, ...] | None,
    energy_limit: float | None,
) -> HarmonicBasis:
    """Return all products with n_m ≤ largest_quanta_m and sum_m omega_m n_m ≤ energy_limit.

    Args:
        frequencies: omega_m [hartree].
        n_states: Number of electronic states, for the check of the size.
        largest_quanta: Most quanta of each mode, or None for those that the energy allows.
        energy_limit: Largest energy above the ground state of the oscillators [hartree], or None for all
            products of `largest_quanta`.

    Raises:
        InputError: Neither is given, one does not fit, or the basis is too large.
    """
    n_modes = len(frequencies)
    if largest_quanta is None and energy_limit is None:
        raise InputError("`largest_quanta` or `energy_limit` must be given, but neither is.")
    if energy_limit is not None and not (0 < energy_limit < math.inf):
        raise InputError(f"`energy_limit` must be positive and finite, but is {energy_limit}.")
    limit = math.inf if energy_limit is None else energy_limit * (1 + 1e-12)
    if largest_quanta is None:
        largest_quanta = tuple(int(limit / frequency) for frequency in frequencies)
    if len(largest_quanta) != n_modes or any(quanta < 0 for quanta in largest_quanta):
        raise InputError(
            f"`largest_quanta` must be {n_modes} numbers from 0 upward, but is {largest_quanta}."
        )
    quanta, energy = np.zeros((1, 0), dtype=np.int64), np.zeros(1)
    for frequency, most in zip(frequencies, largest_quanta, strict=True):
        products = len(quanta) * (most + 1)
        if products > 10 * _MOST_ELEMENTS or (energy_limit is None and products * n_states > _MOST_ELEMENTS):
            raise InputError(_too_large(n_states))
        more = np.tile(np.arange(most + 1), len(quanta))
        energy = np.repeat(energy, most + 1) + frequency * more
        kept = energy <= limit
        quanta = np.column_stack([np.repeat(quanta, most + 1, axis=0), more])[kept]
        energy = energy[kept]
        if len(quanta) * n_states > _MOST_ELEMENTS:
            raise InputError(_too_large(n_states))
    room = [most + 3 for most in largest_quanta]
    if math.prod(room) >= 2**62:
        raise InputError(_too_large(n_states))
    strides = np.array([math.prod(room[mode + 1 :]) for mode in range(n_modes)], dtype=np.int64)
    # Functions stand in lexicographic order, in which their keys ascend.
    return HarmonicBasis(quanta, strides, quanta @ strides)


def _too_large(n_states: int) -> str:
    return (
        f"the basis must have at most {_MOST_ELEMENTS // n_states} functions for "
        f"{counted(n_states, 'state')}, but has more. Lower `energy_limit` or `largest_quanta`."
    )


def coordinate(basis: HarmonicBasis, mode: int) -> sparse.csr_matrix:
    """Return the matrix of Q_m: ⟨n|Q|n+1⟩ = √((n+1)/2)."""
    return _monomial(basis, (mode,))


def hamiltonian(model: VibronicCoupling, basis: HarmonicBasis) -> sparse.csr_matrix:
    """Return H [hartree] in the products of states (outer index) and functions (inner index).

    Matrix elements are those of the infinite basis. With a spin-orbit matrix the states are the spin
    states of `nadyn.models.spin_states`; the matrix is real where the spin-orbit matrix is.
    """
    n, n_modes = model.n_basis, len(model.mode_names)
    pairs = [tuple(pair) for pair in model.pairs.T.tolist()]
    terms = [(), *((mode,) for mode in range(n_modes)), *pairs]
    frequencies = model.frequencies.numpy()
    # The oscillators' own ½ω(P² + Q²) is diagonal; their ½ωQ² is taken out of the polynomial.
    energy = basis.quanta @ frequencies + 0.5 * frequencies.sum()
    size = n if model.spin_orbit is None else len(model.spin_orbit)
    total = sparse.kron(sparse.identity(size), sparse.diags(energy), format="csr")
    for term, upper in zip(terms, model.polynomial.numpy(), strict=True):
        electronic = upper[model.place.numpy()].copy()
        if len(term) == 2 and term[0] == term[1]:
            electronic -= 0.5 * frequencies[term[0]] * np.eye(n)
        electronic[np.abs(electronic) < 1e-15] = 0.0
        if not electronic.any():
            continue
        if model.spin_orbit is not None:
            electronic = spin_states(model.multiplicities).expand(torch.from_numpy(electronic)).numpy()
        total = total + sparse.kron(sparse.csr_matrix(electronic), _monomial(basis, term), format="csr")
    if model.spin_orbit is not None:
        coupling = model.spin_orbit.numpy()
        coupling = coupling if coupling.imag.any() else coupling.real
        functions = sparse.identity(len(basis.quanta))
        total = total + sparse.kron(sparse.csr_matrix(coupling), functions, format="csr")
    return total.tocsr()


def _monomial(basis: HarmonicBasis, modes: tuple[int, ...]) -> sparse.csr_matrix:
    """Return the matrix of 1, Q_m, Q_m² or Q_m Q_n."""
    n_functions, n_modes = basis.quanta.shape
    matrix = sparse.csr_matrix((n_functions, n_functions))
    if not modes:
        return sparse.identity(n_functions, format="csr")
    if len(modes) == 2 and modes[0] == modes[1]:
        choices = [[(modes[0], 2)], [(modes[0], 0)], [(modes[0], -2)]]
    elif len(modes) == 2:
        choices = [[(modes[0], s), (modes[1], t)] for s in (1, -1) for t in (1, -1)]
    else:
        choices = [[(modes[0], 1)], [(modes[0], -1)]]
    for choice in choices:
        shift = [0] * n_modes
        for mode, step in choice:
            shift[mode] = step
        first, second = basis.shifted(tuple(shift))
        values = np.ones(len(first))
        for mode, step in choice:
            low = np.minimum(basis.quanta[first, mode], basis.quanta[second, mode])
            values = values * _ELEMENTS[abs(step)](low)
        matrix = matrix + sparse.csr_matrix((values, (first, second)), shape=matrix.shape)
    return matrix


# ⟨n|Q²|n⟩, ⟨n|Q|n+1⟩ and ⟨n|Q²|n+2⟩ by the difference in quanta; n is the smaller number.
_ELEMENTS = {
    0: lambda n: n + 0.5,
    1: lambda n: np.sqrt((n + 1) / 2.0),
    2: lambda n: 0.5 * np.sqrt((n + 1.0) * (n + 2.0)),
}
