"""Surface hopping in a laser field among the eigenstates of W, with dipoles that depend on the geometry."""

from dataclasses import dataclass, field
from functools import partial

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from nadyn.dynamics.electrons.local_diabatisation import orthogonal_overlap
from nadyn.dynamics.electrons.propagation import Propagation
from nadyn.dynamics.hops.representation import SpinFree
from nadyn.dynamics.spins.laser import Pulse
from nadyn.dynamics.state.batch import State
from nadyn.dynamics.state.batch_independence import electronic_width
from nadyn.dynamics.state.energies import potential_energy
from nadyn.dynamics.state.matrix_products import product, trajectories_last
from nadyn.dynamics.state.populations import Estimator
from nadyn.electronic.blocks import in_blocks
from nadyn.electronic.eigen import aligned_eigh
from nadyn.electronic.operators import between_states, operator_at
from nadyn.electronic.surfaces import ActiveSurface
from nadyn.models.model import Model


@dataclass(frozen=True)
class FieldDriven:
    """The eigenstates of W, whose coefficients a pulse drives.

    Surfaces, forces and couplings are those without the field.

    Attributes:
        pulse: The pulse; its polarisation is in the frame of the positions.
        dt: Time step of the run [au]; tells the time of a step.
    """

    pulse: Pulse
    dt: float
    free: SpinFree = field(default_factory=SpinFree)
    diabatic: Estimator | None = None

    def begin(self, state: State, model: Model) -> State:
        """Return the state as it is."""
        return self.free.begin(state, model)

    def surface_at(
        self, model: Model, positions: Float[Tensor, "traj atom x"], active_state: Int[Tensor, "traj"]
    ) -> ActiveSurface:
        """See `active_surface`."""
        return self.free.surface_at(model, positions, active_state)

    def propagate(
        self, old: State, new: State, model: Model, masses: Float[Tensor, "atom"], dt: float
    ) -> Propagation:
        """See `driven_step`; without a field as `ways.propagate` does."""
        time = old.step * self.dt
        if not self.pulse.is_on(time, dt):
            return self.free.propagate(old, new, model, masses, dt)
        moments = [self._along(model, state) for state in (old, new)]
        overlap, smallest = orthogonal_overlap(old.eigenvectors, new.eigenvectors)
        step = partial(driven_step, fields=self.pulse.fields_of_step(time, dt), dt=dt)
        width = electronic_width(old.eigenvectors.shape[1], old.energies)
        coefficients, propagator = in_blocks(
            width, step, old.coefficients, old.energies, new.energies, overlap, *moments
        )
        return Propagation(coefficients, propagator, smallest)

    def couplings(
        self, state: State, model: Model, rows: Int[Tensor, "hop"], target: Int[Tensor, "hop"]
    ) -> tuple[Float[Tensor, "hop atom x"], Float[Tensor, "hop atom x"]]:
        """See `forces_and_couplings`."""
        return self.free.couplings(state, model, rows, target)

    def gap(self, state: State) -> Float[Tensor, "traj"]:
        """Return the smallest distance in energy from the active state to another one [hartree]."""
        return self.free.gap(state)

    def driven(self, state: State) -> bool:
        """Tell whether the pulse is on in the step that ends with this state."""
        return self.pulse.is_on((state.step - 1) * self.dt, self.dt)

    def paid_by_field(
        self, state: State, rows: Int[Tensor, "hop"], target: Int[Tensor, "hop"]
    ) -> Bool[Tensor, "hop"]:
        """Tell which hops the pulse pays for, see `Pulse.pays`."""
        if not self.driven(state):
            return torch.zeros_like(rows, dtype=torch.bool)
        energies, active = state.energies[rows], state.active_state[rows]
        return self.pulse.pays(potential_energy(energies, target) - potential_energy(energies, active))

    def _along(self, model: Model, state: State) -> Float[Tensor, "traj state state"]:
        """Return ⟨k|μ·ε|l⟩ [e bohr]."""
        operator = operator_at(model, "dipole", state.positions)
        along = sum(operator[..., axis] * part for axis, part in enumerate(self.pulse.polarisation))
        return between_states(along, state.eigenvectors)


def driven_step(
    coefficients: Tensor,
    energies: Float[Tensor, "traj state"],
    new_energies: Float[Tensor, "traj state"],
    overlap: Float[Tensor, "traj state state"],
    moments: Float[Tensor, "traj state state"],
    new_moments: Float[Tensor, "traj state state"],
    *,
    fields: list[float],
    dt: float,
) -> tuple[Tensor, Tensor]:
    """Return the coefficients after a time step in a field, and the propagator.

    c(t+dt) = Sᵀ Π exp(-i δ H/2) exp(i δ F_j M) exp(-i δ H/2) c(t) over short parts δ: local diabatisation
    with a field. S is the orthogonal overlap of the old states with the new ones, H = (E + S E' Sᵀ) / 2 and
    M = (μ + S μ' Sᵀ) / 2 the means over the step in the old states.

    Args:
        coefficients: c(t), complex.
        energies: E(t) [hartree].
        new_energies: E(t+dt).
        overlap: S.
        moments: μ(t) along the polarisation between the states [e bohr].
        new_moments: μ(t+dt) between the new states.
        fields: The field in each of the equal parts [au].
        dt: Time step [au].
    """
    real, imag = torch.view_as_real(coefficients.resolve_conj()).unbind(-1)
    arrays = (real, imag, energies, new_energies, overlap, moments, new_moments)
    real, imag, energies, new_energies, turned, before, after = (trajectories_last(one) for one in arrays)
    back = turned.transpose(0, 1)
    mean = _symmetric(product(turned * new_energies, back))
    states = torch.arange(len(energies))
    mean[states, states] += energies
    levels, own = _eigen(0.5 * mean)
    values, vectors = _eigen(0.5 * (before + _symmetric(product(product(turned, after), back))))
    to_dipole = product(own.transpose(0, 1), vectors).to(torch.complex128)
    part = dt / len(fields)
    half, whole = _turn(levels * (-0.5 * part)), _turn(levels * -part)
    matrix = torch.diag_embed(half.T).movedim(0, -1)
    for number, strength in enumerate(fields):
        kick = _turn(values * (part * strength))[:, None]
        matrix = product(to_dipole, kick * product(to_dipole.transpose(0, 1), matrix))
        matrix = (half if number == len(fields) - 1 else whole)[:, None] * matrix
    own = own.to(torch.complex128)
    propagator = product(back.to(torch.complex128), product(own, product(matrix, own.transpose(0, 1))))
    c = product(propagator, torch.complex(real, imag)[:, None])[:, 0]
    return c.T.contiguous(), propagator.movedim(-1, 0).contiguous()


def _symmetric(matrix: Tensor) -> Tensor:
    return 0.5 * (matrix + matrix.transpose(0, 1))


def _eigen(matrix: Tensor) -> tuple[Tensor, Tensor]:
    values, vectors = aligned_eigh(matrix.movedim(-1, 0).contiguous())
    return trajectories_last(values), trajectories_last(vectors)


def _turn(angle: Tensor) -> Tensor:
    return torch.complex(torch.cos(angle), torch.sin(angle))
