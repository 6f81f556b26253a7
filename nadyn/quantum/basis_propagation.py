"""Exact propagation of vibronic coupling models in a basis of oscillator functions."""

import math
import warnings
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.special import gammaln

from nadyn.checks.errors import InputError, InputWarning
from nadyn.models.analytic.vibronic import VibronicCoupling
from nadyn.quantum.chebyshev import propagate, spectral_bounds
from nadyn.quantum.harmonic_basis import HarmonicBasis, coordinate, hamiltonian, harmonic_basis
from nadyn.quantum.quantum_run import QuantumRun

# Populations of pyrazine and of SO2 were wrong by about ten times the density at the edge.
_TOLERATED_EDGE_DENSITY = 5e-4
# Elements of all wave functions that one expansion gives: a quarter of a gigabyte.
_CHUNK_ELEMENTS = 2**24


def basis_propagation(
    model: VibronicCoupling,
    *,
    state: int,
    time: float,
    write_interval: float,
    energy_limit: float | None = None,
    largest_quanta: tuple[int, ...] | None = None,
    position: tuple[float, ...] | None = None,
    momentum: tuple[float, ...] | None = None,
) -> QuantumRun:
    """Return the exact propagation of a vibronic coupling model in products of oscillator functions.

    i dpsi/dt = H psi with H = sum_m omega_m P_m²/2 + W(Q) (+ the spin-orbit matrix of the model, where it
    has one), started from the ground state of the oscillators, or from that state displaced to
    `position` and `momentum`, on one diabatic state. The basis is converged when the populations do not
    change with a larger `energy_limit`.

    Source: Chebyshev propagation as in H. Tal-Ezer and R. Kosloff, J. Chem. Phys. 81, 3967 (1984); for the
    basis H. Köppel, W. Domcke and L. S. Cederbaum, Adv. Chem. Phys. 57, 59 (1984), section 3.

    Args:
        model: A vibronic coupling model.
        state: Diabatic state of the start; with a spin-orbit matrix a spin state, in the order of
            `nadyn.models.spin_states`.
        time: Length of the propagation [au], rounded up to a whole number of intervals.
        write_interval: Time from one written time to the next [au].
        energy_limit: Products of oscillator functions up to this energy above the lowest [hartree].
        largest_quanta: Most quanta of each mode; instead of the limit, or in addition.
        position: Mean dimensionless coordinates of the start; 0 without it.
        momentum: Mean dimensionless momenta of the start; 0 without it.

    Raises:
        InputError: The model is no vibronic coupling model, or an argument does not fit it.
    """
    if not isinstance(model, VibronicCoupling):
        raise InputError(
            f"`model` must be a vibronic coupling model, but {model.name} is none. Use `split_operator`."
        )
    n_states = model.n_basis if model.spin_orbit is None else len(model.spin_orbit)
    if not 0 <= state < n_states:
        raise InputError(f"`state` must be from 0 to {n_states - 1}, but is {state}.")
    if not (time > 0 and write_interval > 0):
        raise InputError(
            f"`time` and `write_interval` must be positive, but are {time} and {write_interval}."
        )
    frequencies = model.frequencies.numpy()
    basis = harmonic_basis(
        frequencies, n_states=n_states, largest_quanta=largest_quanta, energy_limit=energy_limit
    )
    psi = np.zeros((n_states, len(basis.quanta)), dtype=np.complex128)
    psi[state] = _displaced_ground_state(basis, position, momentum)
    matrix = hamiltonian(model, basis)
    psi, matrix, reached = _reachable(psi.reshape(-1), matrix)
    observe = _Observables(basis, matrix, reached, n_states)
    times = write_interval * np.arange(math.ceil(time / write_interval - 1e-9) + 1)
    rows = [observe(psi)]
    bounds = spectral_bounds(matrix)
    chunk = max(1, _CHUNK_ELEMENTS // len(psi))
    for first in range(1, len(times), chunk):
        elapsed = times[first : first + chunk] - times[first - 1]
        waves = propagate(matrix, bounds, psi, elapsed)
        rows += [observe(wave) for wave in waves]
        psi = waves[-1]
    edge_density = max(row.edge for row in rows)
    if edge_density > _TOLERATED_EDGE_DENSITY:
        warnings.warn(
            InputWarning(
                f"a share {edge_density:.1e} of the density was in the outermost functions of the basis: "
                "raise `energy_limit` or `largest_quanta`."
            ),
            stacklevel=2,
        )
    wave = np.zeros(n_states * len(basis.quanta), dtype=np.complex128)
    wave[reached] = psi
    return QuantumRun(
        times=times,
        diabatic_populations=np.array([row.populations for row in rows]),
        adiabatic_populations=None,
        absorbed=np.zeros((len(times), 2, n_states)),
        norm=np.array([row.norm for row in rows]),
        energy=np.array([row.energy for row in rows]),
        positions=np.array([row.positions for row in rows]),
        edge_density=edge_density,
        wave=wave.reshape(n_states, -1),
    )


def _reachable(
    psi: np.ndarray, matrix: sparse.csr_matrix
) -> tuple[np.ndarray, sparse.csr_matrix, np.ndarray]:
    """Keep the elements that H connects with the start: symmetry often leaves half of them out."""
    pattern = sparse.csr_matrix((np.ones(matrix.nnz), matrix.indices, matrix.indptr), shape=matrix.shape)
    _, group = connected_components(pattern, directed=False)
    reached = np.flatnonzero(np.isin(group, np.unique(group[psi != 0])))
    kept = psi[reached]
    return kept if kept.imag.any() else kept.real, matrix[reached][:, reached], reached


@dataclass(frozen=True)
class _Row:
    populations: np.ndarray
    norm: float
    energy: float
    positions: list[float]
    edge: float


class _Observables:
    """What is written of a wave function."""

    def __init__(
        self, basis: HarmonicBasis, matrix: sparse.csr_matrix, reached: np.ndarray, n_states: int
    ) -> None:
        self._matrix = matrix
        self._state, function = np.divmod(reached, len(basis.quanta))
        self._edge = basis.edge[function]
        self._n_states = n_states
        identity = sparse.identity(n_states)
        self._coordinates = [
            sparse.kron(identity, coordinate(basis, mode), format="csr")[reached][:, reached]
            for mode in range(basis.quanta.shape[1])
        ]

    def __call__(self, wave: np.ndarray) -> _Row:
        density = np.abs(wave) ** 2
        return _Row(
            populations=np.bincount(self._state, density, minlength=self._n_states),
            norm=float(density.sum()),
            energy=_expectation(self._matrix, wave),
            positions=[_expectation(q, wave) for q in self._coordinates],
            edge=float(density[self._edge].sum()),
        )


def _expectation(matrix: sparse.csr_matrix, wave: np.ndarray) -> float:
    if np.iscomplexobj(matrix):
        return float(np.vdot(wave, matrix @ wave).real)
    # A real symmetric matrix does not mix real and imaginary part.
    return float(sum(part @ (matrix @ part) for part in (wave.real.copy(), wave.imag.copy())))


def _displaced_ground_state(
    basis: HarmonicBasis, position: tuple[float, ...] | None, momentum: tuple[float, ...] | None
) -> np.ndarray:
    """Return exp(-|α|²/2) α^n / √n! for each mode, α = (Q + iP)/√2."""
    n_modes = basis.quanta.shape[1]
    position = (0.0,) * n_modes if position is None else position
    momentum = (0.0,) * n_modes if momentum is None else momentum
    if len(position) != n_modes or len(momentum) != n_modes:
        raise InputError(
            f"`position` and `momentum` must have {n_modes} numbers, but have {len(position)} and "
            f"{len(momentum)}."
        )
    wave = np.ones(len(basis.quanta), dtype=np.complex128)
    for mode in range(n_modes):
        alpha = complex(position[mode], momentum[mode]) / math.sqrt(2.0)
        n = basis.quanta[:, mode]
        powers = alpha ** np.arange(n.max() + 1)
        factors = np.exp(-0.5 * (abs(alpha) ** 2 + gammaln(np.arange(n.max() + 1) + 1.0)))
        wave = wave * (powers * factors)[n]
    return wave
