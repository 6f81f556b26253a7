"""Surface hopping among spin-adiabatic states, with or without a laser field."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Complex, Float, Int
from torch import Tensor

from nadyn.dynamics.electrons.mean import amplitudes
from nadyn.dynamics.electrons.propagation import Propagation
from nadyn.dynamics.spins.degenerate_levels import along_the_wave_function
from nadyn.dynamics.spins.hamiltonian import (
    SpinProblem,
    hermitian_eigh,
    spin_energies_and_eigenvectors,
    spin_gradients,
    spin_hamiltonian,
    spin_surface,
    vectors_of,
)
from nadyn.dynamics.spins.laser import Pulse, along
from nadyn.dynamics.spins.projected import projected_spin_hamiltonian
from nadyn.dynamics.spins.unitary_step import Driving, to_states, unitary_step
from nadyn.dynamics.state.batch import State
from nadyn.dynamics.state.batch_independence import ordered_sum
from nadyn.dynamics.state.choice import choose_target
from nadyn.dynamics.state.energies import conserved_energy, gap_of_active, potential_energy
from nadyn.dynamics.state.populations import Estimator, squared_coefficients
from nadyn.dynamics.state.random_numbers import Stream, uniform
from nadyn.electronic.surfaces import ActiveSurface
from nadyn.models.model import Model
from nadyn.models.spin_states import HasSpinOrbitVectors, HasSpinStates
from nadyn.units import HARTREE_PER_INVERSE_CM


def spin_adiabatic(
    model: Model, masses: Float[Tensor, "atom"], *, seed: int, pulse: Pulse | None = None, dt: float
) -> "SpinAdiabatic":
    """Return the eigenstates of W plus spin-orbit coupling as states to hop among.

    A field acts on the coefficients only: surfaces and states are those without it.

    Args:
        model: A model with spin states.
        masses: [electron mass].
        seed: Draws the M_S and the spin-adiabatic state of a start.
        pulse: A laser pulse.
        dt: Time step of the run [au]; tells the time of a step.
    """
    if isinstance(model, HasSpinOrbitVectors):
        return SpinAdiabatic(projected_spin_hamiltonian(model), masses, seed, None, dt, None)
    return SpinAdiabatic(spin_hamiltonian(model), masses, seed, pulse, dt, _dipole_states(model, pulse))


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
    # Nothing was propagated; any square matrix stands in for a propagator.
    square = eigenvectors[:, : eigenvectors.shape[2]]
    coefficients, vectors, _ = along_the_wave_function(coefficients, energies, eigenvectors, square)
    return vectors, coefficients


# States no farther apart are one level to `adaptive` [hartree]: the splitting of a multiplet by spin-orbit
# coupling in second order is a few cm-1.
LEVEL_WIDTH = 5.0 * HARTREE_PER_INVERSE_CM


@dataclass(frozen=True, eq=False)
class SpinAdiabatic:
    """Spin-adiabatic states of one run; `dipole_states` are moments and states of the dipole matrix."""

    hamiltonian: SpinProblem
    masses: Tensor
    seed: int
    pulse: Pulse | None
    dt: float
    dipole_states: tuple[Tensor, Tensor] | None

    @property
    def diabatic(self) -> Estimator:
        """See `diabatic_estimator`."""
        return diabatic_estimator(self.hamiltonian.counted_as, self.hamiltonian.counted_together)

    def surface_at(self, model: Model, positions: Tensor, active_state: Tensor) -> ActiveSurface:
        """See `spin_surface`."""
        return spin_surface(model, self.hamiltonian, positions, active_state)

    def propagate(
        self,
        old: State,
        new: State,
        model: Model,
        masses: Float[Tensor, "atom"],
        dt: float,
    ) -> Propagation:
        """See `unitary_step`; the wave function is on one state of each level."""
        time, driving = old.step * self.dt, None
        if self.pulse is not None and self.pulse.is_on(time, dt):
            driving = Driving(*self.dipole_states, self.pulse.fields_of_step(time, dt))
        made = unitary_step(
            old.coefficients,
            (old.energies, old.eigenvectors),
            (new.energies, new.eigenvectors),
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
        gradients = spin_gradients(
            model,
            self.hamiltonian,
            torch.cat([positions, positions]),
            torch.cat([u_target, u_active]),
            torch.cat([u_target, turned]),
        )
        return -gradients[: len(rows)], gradients[len(rows) :]

    def begin(self, state: State, model: Model) -> State:
        """Start in the same electronic state, its M_S drawn, and on a spin-adiabatic state drawn by |c|²."""
        zeta = uniform(self.seed, state.trajectory, 0, Stream.INITIAL_STATE, (3,))
        energies, vectors = spin_energies_and_eigenvectors(model, self.hamiltonian, state.positions)
        amplitudes = self._with_spin(state, zeta[:, 1])
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

    def _with_spin(self, state: State, zeta: Float[Tensor, "traj"]) -> Tensor:
        """Return amplitudes of the spin states from spin-free coefficients: one M_S a trajectory."""
        spins = self.hamiltonian.spins
        real, imag = amplitudes(state.coefficients, state.eigenvectors)
        sizes = self.hamiltonian.sizes
        number = (spins.projection + 0.5 * (sizes - 1)).round().long()
        chosen = torch.floor(zeta[:, None] * sizes).long() == number
        spinless = torch.complex(real, imag)[:, spins.row]
        return torch.where(chosen, spinless, torch.zeros_like(spinless))

    def gap(self, state: State) -> Float[Tensor, "traj"]:
        """Return the smallest distance in energy from the active state to another level [hartree].

        The states of one level, M_S of a multiplet or a Kramers pair, are always close and ask for no shorter
        step.
        """
        return gap_of_active(state.energies, state.active_state, width=LEVEL_WIDTH)

    def driven(self, state: State) -> bool:
        """Tell whether the pulse is on in the step that ends with this state."""
        return self.pulse is not None and self.pulse.is_on((state.step - 1) * self.dt, self.dt)

    def paid_by_field(
        self, state: State, rows: Int[Tensor, "hop"], target: Int[Tensor, "hop"]
    ) -> Bool[Tensor, "hop"]:
        """Tell which hops the pulse pays for, see `Pulse.pays`."""
        if not self.driven(state):
            return torch.zeros_like(rows, dtype=torch.bool)
        energies, active = state.energies[rows], state.active_state[rows]
        return self.pulse.pays(potential_energy(energies, target) - potential_energy(energies, active))


def diabatic_estimator(counted_as: Int[Tensor, "spin_row"], counted_together: str) -> Estimator:
    """Return the estimator of spin-free diabatic populations, all M_S of a state added.

    P_s = |U_sa|² + |Σ_k U_sk c_k|² - Σ_k |U_sk|² |c_k|²: populations from the active state a, coherences from
    the coefficients; added up over the spin states s that count as one.
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
        rows = [population[:, counted_as == row] for row in range(int(counted_as.max()) + 1)]
        return torch.stack([ordered_sum(row) for row in rows], dim=1)

    return Estimator(
        "populations from the active spin-adiabatic state, coherences from the coefficients, "
        f"{counted_together} added",
        values,
    )
