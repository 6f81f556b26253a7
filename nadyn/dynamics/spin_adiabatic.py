"""Surface hopping among spin-adiabatic states, with or without a laser field."""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Complex, Float, Int
from torch import Tensor

from nadyn.checks.errors import InputError
from nadyn.dynamics.batch_independence import ordered_sum
from nadyn.dynamics.configuration import AfsshSection, LaserSection, RunConfiguration, ShxfSection
from nadyn.dynamics.degenerate_levels import along_the_wave_function
from nadyn.dynamics.electrons import Propagate
from nadyn.dynamics.hopping import choose_target
from nadyn.dynamics.laser import Pulse, along, spectral_width
from nadyn.dynamics.mean_field import amplitudes, weighted_gradient
from nadyn.dynamics.populations import Estimator, squared_coefficients
from nadyn.dynamics.propagate import Propagation
from nadyn.dynamics.random_numbers import Stream, uniform
from nadyn.dynamics.representation import SPIN_FREE, Representation
from nadyn.dynamics.spin_hamiltonian import (
    SpinHamiltonian,
    hermitian_eigh,
    spin_energies_and_eigenvectors,
    spin_hamiltonian,
    spin_surface,
    vectors_of,
)
from nadyn.dynamics.spin_propagation import Driving, to_states, unitary_step
from nadyn.dynamics.state import State
from nadyn.dynamics.step import conserved_energy, potential_energy
from nadyn.electronic.surfaces import ActiveSurface
from nadyn.models.model import Model
from nadyn.models.spin_states import HasSpinStates, SpinStates
from nadyn.units import AU_PER_FEMTOSECOND, HARTREE_PER_EV


def representation_of(
    config: RunConfiguration, model: Model, masses: Float[Tensor, "atom"]
) -> Representation:
    """Return the states that a run file and a model ask for.

    Without `representation` these are spin-adiabatic ones where the model has spin-orbit coupling or a
    laser acts, else the eigenstates of W.

    Raises:
        InputError: The model has no spin states or no dipoles, or an option is given that needs real
            eigenvectors.
    """
    has_spins = isinstance(model, HasSpinStates)
    coupled = has_spins and model.spin_orbit is not None
    wanted = config.representation
    if wanted is None:
        wanted = "spin_adiabatic" if coupled or config.laser is not None else "spin_free"
    if wanted == "spin_free":
        if config.laser is not None:
            raise InputError(
                "`representation` must be spin_adiabatic with a `laser`, but is spin_free. Remove it."
            )
        return SPIN_FREE
    if not has_spins or model.n_states != model.n_basis:
        key = "laser" if config.laser is not None else "representation"
        raise InputError(
            f"`{key}` must be left out for model {model.name}, which has no spin states and no dipoles, "
            "but is given. Try a model of name lvc or sulfur_dioxide."
        )
    if config.propagation != "local_diabatisation":
        raise InputError(
            "`propagation` must be local_diabatisation among spin-adiabatic states, whose eigenvectors are "
            f"complex, but is {config.propagation}. Remove it, or use representation: spin_free."
        )
    if isinstance(config.decoherence, AfsshSection | ShxfSection):
        raise InputError(
            "`decoherence` must be edc, sdm, instantaneous or none among spin-adiabatic states, but is "
            f"{config.decoherence.name}. Try edc."
        )
    pulse = None if config.laser is None else pulse_of(config.laser)
    if pulse is not None and model.dipoles is None:
        raise InputError(
            f"`laser` must be left out for model {model.name}, which has no dipoles, but is given. Remove it."
        )
    if pulse is not None and config.adaptive is not None:
        raise InputError("`adaptive` must be left out with a `laser`, but is given. Try a smaller `dt_fs`.")
    return spin_adiabatic(model, masses, seed=config.seed, pulse=pulse, dt=config.dt)


def pulse_of(section: LaserSection) -> Pulse:
    """Return the `laser` section of a run file in atomic units.

    Raises:
        InputError: The polarisation has no length.
    """
    length = math.sqrt(sum(x * x for x in section.polarisation))
    if not 0.0 < length < math.inf:
        raise InputError(
            f"`polarisation` must be a direction, but is {list(section.polarisation)}. Try [0, 0, 1]."
        )
    fwhm = section.fwhm_fs * AU_PER_FEMTOSECOND
    wide = section.bandwidth_ev
    return Pulse(
        peak_field=section.peak_field_au,
        polarisation=tuple(x / length for x in section.polarisation),
        frequency=section.photon_energy_ev * HARTREE_PER_EV,
        fwhm=fwhm,
        centre=section.centre_fs * AU_PER_FEMTOSECOND,
        phase=section.phase_rad,
        bandwidth=spectral_width(fwhm) if wide is None else wide * HARTREE_PER_EV,
    )


def spin_adiabatic(
    model: Model, masses: Float[Tensor, "atom"], *, seed: int, pulse: Pulse | None = None, dt: float
) -> Representation:
    """Return surface hopping among the eigenstates of W plus spin-orbit coupling.

    A field acts on the coefficients only: surfaces and states are those without it.

    Args:
        model: A model with spin states.
        masses: [electron mass].
        seed: Draws the M_S and the spin-adiabatic state of a start.
        pulse: A laser pulse.
        dt: Time step of the run [au]; tells the time of a step.
    """
    states = _SpinAdiabatic(spin_hamiltonian(model), masses, seed, pulse, dt, _dipole_states(model, pulse))
    return Representation(
        surface_at=states.surface_at,
        propagate=states.propagate,
        couplings=states.couplings,
        begin=states.begin,
        paid_by_field=states.paid_by_field,
        driven=states.driven,
        diabatic=diabatic_estimator(states.hamiltonian.spins),
    )


def _dipole_states(model: HasSpinStates, pulse: Pulse | None) -> tuple[Tensor, Tensor] | None:
    if pulse is None:
        return None
    moments, vectors = hermitian_eigh(along(model.dipoles, pulse.polarisation)[None])
    return moments[0], vectors[0]


def _one_a_level(
    amplitudes: Complex[Tensor, "traj spin_state"],
    energies: Float[Tensor, "traj state"],
    eigenvectors: Complex[Tensor, "traj spin_state state"],
) -> tuple[Tensor, Tensor]:
    """Return eigenvectors of which one a level carries all of the wave function, and its coefficients."""
    coefficients = to_states(amplitudes, eigenvectors)
    coefficients, vectors, _ = along_the_wave_function(coefficients, energies, eigenvectors, eigenvectors)
    return vectors, coefficients


@dataclass(frozen=True, eq=False)
class _SpinAdiabatic:
    """Spin-adiabatic states of one run; `dipole_states` are moments and states of the dipole matrix."""

    hamiltonian: SpinHamiltonian
    masses: Tensor
    seed: int
    pulse: Pulse | None
    dt: float
    dipole_states: tuple[Tensor, Tensor] | None

    def surface_at(self, model: Model, positions: Tensor, active_state: Tensor) -> ActiveSurface:
        return spin_surface(model, self.hamiltonian, positions, active_state)

    def propagate(
        self,
        old: State,
        new: State,
        model: Model,
        masses: Float[Tensor, "atom"],
        *,
        dt: float,
        by: Propagate = "local_diabatisation",
    ) -> Propagation:
        time, driving = old.step * self.dt, None
        if self.pulse is not None and self.pulse.is_on(time, dt):
            driving = Driving(*self.dipole_states, self.pulse.fields_of_step(time, dt))
        made = unitary_step(
            old.coefficients,
            old.energies,
            old.eigenvectors,
            new.energies,
            new.eigenvectors,
            dt=dt,
            driving=driving,
        )
        coefficients, vectors, propagator = along_the_wave_function(
            made.coefficients, new.energies, new.eigenvectors, made.propagator
        )
        return replace(made, coefficients=coefficients, propagator=propagator, eigenvectors=vectors)

    def couplings(
        self, state: State, model: Model, rows: Int[Tensor, "hop"], target: Int[Tensor, "hop"]
    ) -> tuple[Float[Tensor, "hop atom x"], Float[Tensor, "hop atom x"]]:
        """Force of the target states, and Re(c_a* h_al c_l), which knows no phases of eigenvectors."""
        positions, vectors, active = state.positions[rows], state.eigenvectors[rows], state.active_state[rows]
        u_active, u_target = vectors_of(vectors, active), vectors_of(vectors, target)
        c = torch.view_as_real(state.coefficients[rows])
        (a_re, a_im), (l_re, l_im) = (
            c.gather(1, index[:, None, None].expand(-1, 1, 2))[:, 0].unbind(-1) for index in (active, target)
        )
        u_re, u_im = torch.view_as_real(u_target).unbind(-1)
        re, im = ((a_re * l_re + a_im * l_im)[:, None], (a_re * l_im - a_im * l_re)[:, None])
        turned = torch.complex(u_re * re - u_im * im, u_re * im + u_im * re)
        weights = [self.hamiltonian.weights(*pair) for pair in ((u_target, u_target), (u_active, turned))]
        gradients = weighted_gradient(model, torch.cat([positions, positions]), torch.cat(weights))
        return -gradients[: len(rows)], gradients[len(rows) :]

    def begin(self, state: State, model: Model) -> State:
        """Start in the same electronic state, its M_S drawn, and on a spin-adiabatic state drawn by |c|²."""
        zeta = uniform(self.seed, state.trajectory, 0, Stream.INITIAL_STATE, (3,))
        energies, vectors = spin_energies_and_eigenvectors(model, self.hamiltonian, state.positions)
        amplitudes = self._with_spin(state, model, zeta[:, 1])
        vectors, coefficients = _one_a_level(amplitudes, energies, vectors)
        last = torch.full_like(state.active_state, energies.shape[1] - 1)
        c = torch.view_as_real(coefficients)
        active = choose_target(c[..., 0] * c[..., 0] + c[..., 1] * c[..., 1], last, zeta[:, 2])
        surface = self.surface_at(model, state.positions, active)
        # The phases of eigenvectors are arbitrary: the coefficients must refer to the ones in the state.
        vectors, coefficients = _one_a_level(amplitudes, surface.energies, surface.eigenvectors)
        total = conserved_energy(surface.energies, active, state.momenta, self.masses, state.heat)
        return replace(
            state,
            energies=surface.energies,
            eigenvectors=vectors,
            coefficients=coefficients,
            active_state=active,
            force=surface.force,
            surplus_gap=surface.surplus_gap,
            total_energy=total,
            reference_total_energy=total.clone(),
        )

    def _with_spin(self, state: State, model: HasSpinStates, zeta: Float[Tensor, "traj"]) -> Tensor:
        """Return amplitudes of the spin states from spin-free coefficients: one M_S a trajectory."""
        spins = self.hamiltonian.spins
        real, imag = amplitudes(state.coefficients, state.eigenvectors)
        sizes = torch.tensor(model.multiplicities)[spins.row]
        number = (spins.projection + 0.5 * (sizes - 1)).round().long()
        chosen = torch.floor(zeta[:, None] * sizes).long() == number
        spinless = torch.complex(real, imag)[:, spins.row]
        return torch.where(chosen, spinless, torch.zeros_like(spinless))

    def driven(self, state: State) -> bool:
        return self.pulse is not None and self.pulse.is_on((state.step - 1) * self.dt, self.dt)

    def paid_by_field(
        self, state: State, rows: Int[Tensor, "hop"], target: Int[Tensor, "hop"]
    ) -> Bool[Tensor, "hop"]:
        if not self.driven(state):
            return torch.zeros_like(rows, dtype=torch.bool)
        energies, active = state.energies[rows], state.active_state[rows]
        return self.pulse.pays(potential_energy(energies, target) - potential_energy(energies, active))


def diabatic_estimator(spins: SpinStates) -> Estimator:
    """Return the estimator of spin-free diabatic populations, all M_S of a state added.

    P_s = |U_sa|² + |Σ_k U_sk c_k|² - Σ_k |U_sk|² |c_k|²: populations from the active state a, coherences from
    the coefficients; added up over the spin states s of each row of W.
    """

    def values(state: State) -> Float[Tensor, "traj basis"]:
        u_re, u_im = torch.view_as_real(state.eigenvectors.resolve_conj()).unbind(-1)
        c_re, c_im = torch.view_as_real(state.coefficients.resolve_conj()).unbind(-1)
        squares, occupied = u_re * u_re + u_im * u_im, squared_coefficients(state)
        re, im = torch.zeros_like(u_re[:, :, 0]), torch.zeros_like(u_re[:, :, 0])
        population = squares.gather(2, state.active_state[:, None, None].expand(-1, squares.shape[1], 1))[
            :, :, 0
        ]
        for k in range(squares.shape[2]):
            re = re + (u_re[:, :, k] * c_re[:, k, None] - u_im[:, :, k] * c_im[:, k, None])
            im = im + (u_re[:, :, k] * c_im[:, k, None] + u_im[:, :, k] * c_re[:, k, None])
            population = population - squares[:, :, k] * occupied[:, k, None]
        population = population + (re * re + im * im)
        rows = [population[:, spins.row == row] for row in range(int(spins.row.max()) + 1)]
        return torch.stack([ordered_sum(row) for row in rows], dim=1)

    return Estimator(
        "populations from the active spin-adiabatic state, coherences from the coefficients, all M_S added",
        values,
    )
