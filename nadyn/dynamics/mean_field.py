"""Motion on an average of the states: force, energy and one step, for Ehrenfest and mapping methods."""

from dataclasses import replace

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from nadyn.dynamics.electrons import SMALLEST_OVERLAP, propagate
from nadyn.dynamics.nuclei import drift, kick_by_force, kinetic_energy
from nadyn.dynamics.propagate import Propagation, local_diabatisation
from nadyn.dynamics.state import State, select
from nadyn.electronic.eigen import eigh
from nadyn.electronic.surfaces import in_blocks
from nadyn.models.model import Model

# Names in `State.extra`: what the mean is taken with, where it is not simply c c*.
SCALE, ZERO_POINT = "scale", "zero_point"


def mean_density(
    coefficients: Complex[Tensor, "traj state"],
    eigenvectors: Float[Tensor, "traj basis state"],
    scale: Float[Tensor, "traj"],
    zero_point: Float[Tensor, "traj basis"],
) -> Float[Tensor, "traj basis basis2"]:
    """Return D_ab = s Re(a_a a*_b) - z_a δ_ab with the amplitudes a = U c: tr(D W) is the potential energy.

    Args:
        coefficients: c, of norm 1.
        eigenvectors: U.
        scale: s, the squared length of the vector of mapping variables; 1 in Ehrenfest dynamics.
        zero_point: z, the energy of each oscillator that does not count; 0 in Ehrenfest dynamics.
    """
    real, imag = amplitudes(coefficients, eigenvectors)
    outer = real[:, :, None] * real[:, None, :] + imag[:, :, None] * imag[:, None, :]
    return outer * scale[:, None, None] - torch.diag_embed(zero_point)


def amplitudes(
    coefficients: Complex[Tensor, "traj state"], eigenvectors: Float[Tensor, "traj basis state"]
) -> tuple[Float[Tensor, "traj basis"], Float[Tensor, "traj basis"]]:
    """Return real and imaginary part of U c."""
    c = torch.view_as_real(coefficients.resolve_conj())
    real, imag = eigenvectors[:, :, 0] * c[:, None, 0, 0], eigenvectors[:, :, 0] * c[:, None, 0, 1]
    for k in range(1, eigenvectors.shape[2]):
        real = real + eigenvectors[:, :, k] * c[:, None, k, 0]
        imag = imag + eigenvectors[:, :, k] * c[:, None, k, 1]
    return real, imag


def weighted_gradient(
    model: Model,
    positions: Float[Tensor, "traj atom x"],
    weights: Float[Tensor, "traj basis basis2"],
) -> Float[Tensor, "traj atom x"]:
    """Return the gradient of Σ_ab D_ab W_ab [hartree/bohr] with the symmetric weights D held fixed."""

    def block(positions: Tensor, weights: Tensor) -> tuple[Tensor]:
        with torch.enable_grad():
            inputs = positions.detach().requires_grad_(True)
            hamiltonian = model.evaluate(inputs).hamiltonian
        return (torch.autograd.grad(hamiltonian, inputs, weights)[0],)

    return in_blocks(model.block_width, block, positions, weights)[0]


def scale_and_zero_point(state: State) -> tuple[Float[Tensor, "traj"], Float[Tensor, "traj basis"]]:
    """Return s and z of each trajectory, see `mean_density`: from `extra` where it has them, else 1 and 0."""
    one, none = torch.ones_like(state.weight), torch.zeros_like(state.eigenvectors[:, :, 0])
    return state.extra.get(SCALE, one), state.extra.get(ZERO_POINT, none)


def mean_energy(state: State) -> Float[Tensor, "traj"]:
    """Return tr(D W) [hartree], which in Ehrenfest dynamics is Σ_k |c_k|^2 E_k."""
    c = torch.view_as_real(state.coefficients.resolve_conj())
    squares = c[..., 0] * c[..., 0] + c[..., 1] * c[..., 1]
    scale, zero_point = scale_and_zero_point(state)
    u, total = state.eigenvectors, torch.zeros_like(state.weight)
    for k in range(u.shape[2]):
        occupation = squares[:, k] * scale
        for a in range(u.shape[1]):
            occupation = occupation - u[:, a, k] * u[:, a, k] * zero_point[:, a]
        total = total + occupation * state.energies[:, k]
    return total


def mean_force(state: State, model: Model) -> Float[Tensor, "traj atom x"]:
    """Return -∂ tr(D W)/∂R with D held fixed [hartree/bohr]."""
    density = mean_density(state.coefficients, state.eigenvectors, *scale_and_zero_point(state))
    return -weighted_gradient(model, state.positions, density)


def total_mean_energy(state: State, masses: Float[Tensor, "atom"]) -> Float[Tensor, "traj"]:
    """Return kinetic plus mean potential energy, minus what a thermostat has brought in [hartree]."""
    return kinetic_energy(state.momenta, masses) + mean_energy(state) - state.heat


def begin_on_mean(state: State, model: Model, masses: Float[Tensor, "atom"]) -> State:
    """Return a state that starts with the mean force and the mean energy instead of those of one state."""
    begun = replace(state, force=mean_force(state, model))
    total = total_mean_energy(begun, masses)
    return replace(begun, total_energy=total, reference_total_energy=total.clone())


def mean_field_verlet(
    state: State, model: Model, *, masses: Float[Tensor, "atom"], dt: float
) -> tuple[State, Propagation]:
    """Return the batch after one step on the mean, and how its coefficients came about.

    P' = P + F dt/2, R(t+dt) = R + P'/M dt, c(t+dt) by local diabatisation, P(t+dt) = P' + F(t+dt) dt/2, with
    F = -tr(D ∂W/∂R). The step is its own reverse: from (R, -P, c*) at its end it comes back to its start.

    A trajectory whose model gives no finite numbers keeps its old energies and eigenvectors, so that the
    algebra on the batch can go on, and gets a force of NaN, by which it is known.
    """
    momenta = kick_by_force(state.momenta, state.force, dt=0.5 * dt)
    positions = drift(state.positions, momenta, masses, dt=dt)
    n = model.n_states

    def block(positions: Tensor, *rows: Tensor) -> tuple[Tensor, ...]:
        real, imag, energies, eigenvectors, scale, zero_point = rows
        with torch.enable_grad():
            inputs = positions.detach().requires_grad_(True)
            evaluation = model.evaluate(inputs)
        levels, vectors = eigh(evaluation.hamiltonian.detach())
        sound = torch.isfinite(levels).all(1) & torch.isfinite(vectors).all(2).all(1)
        new_energies = torch.where(sound[:, None], levels[:, :n], energies)
        new_vectors = torch.where(sound[:, None, None], vectors[:, :, :n], eigenvectors)
        moved = local_diabatisation(
            torch.complex(real, imag), energies, eigenvectors, new_energies, new_vectors, dt=dt
        )
        density = mean_density(moved.coefficients, new_vectors, scale, zero_point)
        force = -torch.autograd.grad(evaluation.hamiltonian, inputs, density)[0]
        force = torch.where(sound[:, None, None], force, torch.nan)
        surplus = (
            levels[:, n] - levels[:, n - 1] if levels.shape[1] > n else torch.full_like(scale, torch.inf)
        )
        return (
            new_energies,
            new_vectors,
            torch.view_as_real(moved.coefficients),
            torch.view_as_real(moved.propagator),
            moved.smallest_overlap,
            force,
            surplus,
            evaluation.novelty,
        )

    c = torch.view_as_real(state.coefficients.resolve_conj())
    energies, vectors, new_c, propagator, smallest, force, surplus, novelty = in_blocks(
        model.block_width,
        block,
        positions,
        c[..., 0],
        c[..., 1],
        state.energies,
        state.eigenvectors,
        *scale_and_zero_point(state),
    )
    moved = replace(
        state,
        step=state.step + 1,
        positions=positions,
        momenta=kick_by_force(momenta, force, dt=0.5 * dt),
        force=force,
        energies=energies,
        eigenvectors=vectors,
        surplus_gap=surplus,
        novelty=novelty,
    )
    made = Propagation(torch.view_as_complex(new_c), torch.view_as_complex(propagator), smallest)
    rows = torch.nonzero(smallest < SMALLEST_OVERLAP)[:, 0]
    if len(rows):
        made, moved = _again_in_halves(state, moved, made, rows, model, masses, momenta, dt=dt)
    return replace(moved, coefficients=made.coefficients), made


def _again_in_halves(
    old: State,
    moved: State,
    made: Propagation,
    rows: Tensor,
    model: Model,
    masses: Tensor,
    half_momenta: Tensor,
    *,
    dt: float,
) -> tuple[Propagation, State]:
    """Propagate again, in two halves, the rows whose states turned too far for one step."""
    before, after = select(old, rows), select(moved, rows)
    halved = propagate(before, after, model, masses, dt=dt)
    force = mean_force(replace(after, coefficients=halved.coefficients), model)
    momenta = kick_by_force(half_momenta[rows], force, dt=0.5 * dt)
    made = Propagation(
        made.coefficients.index_copy(0, rows, halved.coefficients),
        made.propagator.index_copy(0, rows, halved.propagator),
        made.smallest_overlap.index_copy(0, rows, halved.smallest_overlap),
    )
    moved = replace(
        moved,
        force=moved.force.index_copy(0, rows, force),
        momenta=moved.momenta.index_copy(0, rows, momenta),
    )
    return made, moved
