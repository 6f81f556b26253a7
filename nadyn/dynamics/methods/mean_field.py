"""Motion on an average of the states: force, energy and one step, for Ehrenfest and mapping methods."""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.dynamics.electrons.local_diabatisation import local_diabatisation
from nadyn.dynamics.electrons.mean import (
    mean_density,
    mean_force,
    scale_and_zero_point,
    torque_free,
    total_mean_energy,
)
from nadyn.dynamics.electrons.propagation import Propagation
from nadyn.dynamics.electrons.ways import SMALLEST_OVERLAP, propagate
from nadyn.dynamics.nuclei.followed import followed
from nadyn.dynamics.nuclei.motion import drift, kick_by_force
from nadyn.dynamics.nuclei.rigid_motion import turned_halfway
from nadyn.dynamics.state.batch import State, select
from nadyn.electronic.eigen import levels as levels_of
from nadyn.electronic.small_arrays import as_complex
from nadyn.electronic.surfaces import in_blocks
from nadyn.models.model import Model


def begin_on_mean(state: State, model: Model, masses: Float[Tensor, "atom"]) -> State:
    """Return a state that starts with the mean force and the mean energy instead of those of one state."""
    begun = replace(state, force=mean_force(state, model, masses))
    total = total_mean_energy(begun, masses)
    return replace(begun, total_energy=total, reference_total_energy=total.clone())


def mean_field_verlet(
    state: State, model: Model, *, masses: Float[Tensor, "atom"], dt: float
) -> tuple[State, Propagation]:
    """Return the batch after one step on the mean, and how its coefficients came about.

    P' = P + F dt/2, R(t+dt) = R + P'/M dt, c(t+dt) by local diabatisation, P(t+dt) = P' + F(t+dt) dt/2, with
    F = -tr(D ∂W/∂R). The step is its own reverse: from (R, -P, c*) at its end it comes back to its start.

    Of a molecule F loses its torque, and the coefficients are those seen by one who turns with it: both
    together are motion with couplings free of rigid rotation, which keeps energy, momentum and angular
    momentum. Only vectors in the basis of W feel the difference.

    A trajectory whose model gives no finite numbers keeps its old energies and eigenvectors, so that the
    algebra on the batch can go on, and gets a force of NaN, by which it is known.
    """
    momenta = kick_by_force(state.momenta, state.force, dt=0.5 * dt)
    positions = drift(state.positions, momenta, masses, dt=dt)
    state = followed(state, model, positions)
    n = model.n_states

    def block(positions: Tensor, *rows: Tensor) -> tuple[Tensor, ...]:
        old_positions, real, imag, energies, eigenvectors, scale, zero_point = rows
        with torch.enable_grad():
            inputs = positions.detach().requires_grad_(True)
            evaluation = model.evaluate(inputs)
        levels, vectors = levels_of(evaluation)
        sound = torch.isfinite(levels).all(1) & torch.isfinite(vectors).all(2).all(1)
        new_energies = torch.where(sound[:, None], levels[:, :n], energies)
        new_vectors = torch.where(sound[:, None, None], vectors[:, :, :n], eigenvectors)
        before, after = turned_halfway(model, masses, old_positions, positions, eigenvectors, new_vectors)
        c = torch.complex(real, imag)
        moved = local_diabatisation(c, (energies, before), (new_energies, after), dt=dt)
        density = mean_density(moved.coefficients, new_vectors, scale, zero_point)
        force = -torch.autograd.grad(evaluation.hamiltonian, inputs, density)[0]
        force = torque_free(force, positions, model, masses)
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
        state.positions,
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
    made = Propagation(as_complex(new_c), as_complex(propagator), smallest)
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
    # Each half is seen from the middle of the step, where nothing has to be turned.
    first, last = turned_halfway(
        model, masses, before.positions, after.positions, before.eigenvectors, after.eigenvectors
    )
    halved = propagate(
        replace(before, eigenvectors=first), replace(after, eigenvectors=last), model, masses, dt=dt
    )
    force = mean_force(replace(after, coefficients=halved.coefficients), model, masses)
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
