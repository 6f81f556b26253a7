"""Fewest-switches surface hopping.

Source: J. C. Tully, J. Chem. Phys. 93, 1061 (1990), with the electronic step by local diabatisation.
"""

from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from nadyn.dynamics.decoherence import Damps, energy_based_decoherence
from nadyn.dynamics.hopping import choose_target, hopping_probabilities
from nadyn.dynamics.momentum import Frustrated, after_frustrated_hop, kick, without_rigid_motion
from nadyn.dynamics.nuclei import kinetic_energy, midpoint
from nadyn.dynamics.propagate import Propagation, in_sequence, local_diabatisation
from nadyn.dynamics.random_numbers import Stream, uniform
from nadyn.dynamics.state import State
from nadyn.dynamics.step import Hops, Step, conserved_energy, larger_error, no_hops, potential_energy
from nadyn.dynamics.verlet import verlet
from nadyn.electronic.surfaces import directional_gradient, energies_and_eigenvectors
from nadyn.models.model import Model

Rescale = Literal["nac", "nac_unprojected", "gradient_difference", "isotropic"]

# Under this overlap a step is made in two halves; if that does not help, a state has been lost.
SMALLEST_OVERLAP = 0.7


@dataclass(frozen=True)
class Fssh:
    """Choices of a surface hopping run.

    Attributes:
        dt: Time step [au].
        seed: Seed of the hops.
        masses: [electron mass].
        rescale: Direction of the momentum change at a hop. nac: along h, for molecules without its rigid
            translation and rotation; nac_unprojected: along h as it is; gradient_difference: along the
            difference of both forces, projected like h; isotropic: along the momenta themselves, which keeps
            total and angular momentum only where they are zero.
        frustrated: What a hop does that cannot be paid, see `momentum.after_frustrated_hop`.
        damps: What decoherence damps, see `decoherence.energy_based_decoherence`; None for no correction.
        energy_parameter: C of the decoherence rate [hartree].
    """

    dt: float
    seed: int
    masses: Float[Tensor, "atom"]
    rescale: Rescale = "nac"
    frustrated: Frustrated = "keep"
    damps: Damps | None = "populations"
    energy_parameter: float = 0.1


def fssh_step(state: State, model: Model, options: Fssh) -> Step:
    """Advance a batch by one time step.

    Order: velocity Verlet on the active state; overlap and propagation of the coefficients; hopping
    probability from the coefficients as propagated; hop and change of momentum; decoherence towards the new
    active state with the new kinetic energy; new force where a hop was made.

    Args:
        state: The batch.
        model: Any model with two states or more.
        options: Time step, seed and choices.
    """
    nuclei = verlet(state, model, masses=options.masses, dt=options.dt)
    propagation = _propagate(state, nuclei, model, options)
    moved = replace(nuclei, coefficients=propagation.coefficients)
    probabilities = hopping_probabilities(
        state.coefficients, moved.coefficients, propagation.propagator, moved.active_state
    )
    zeta = uniform(options.seed, moved.trajectory, moved.step, Stream.HOP)
    target = choose_target(probabilities, moved.active_state, zeta)
    rows = torch.nonzero(target != moved.active_state)[:, 0]
    hops = no_hops()
    if len(rows):
        moved, hops = _hop(moved, model, options, rows, target[rows], probabilities, zeta)
    if options.damps is not None:
        damped = energy_based_decoherence(
            moved.coefficients,
            moved.energies,
            moved.active_state,
            kinetic_energy(moved.momenta, options.masses),
            dt=options.dt,
            damps=options.damps,
            energy_parameter=options.energy_parameter,
        )
        moved = replace(moved, coefficients=damped)
    total = conserved_energy(moved.energies, moved.active_state, moved.momenta, options.masses, moved.heat)
    moved = replace(moved, total_energy=total, energy_error_max=larger_error(state, total))
    return Step(moved, hops, propagation.smallest_overlap < SMALLEST_OVERLAP)


def _propagate(old: State, new: State, model: Model, options: Fssh) -> Propagation:
    whole = local_diabatisation(
        old.coefficients, old.energies, old.eigenvectors, new.energies, new.eigenvectors, dt=options.dt
    )
    rows = torch.nonzero(whole.smallest_overlap < SMALLEST_OVERLAP)[:, 0]
    if not len(rows):
        return whole
    middle = midpoint(
        old.positions[rows],
        new.positions[rows],
        old.momenta[rows],
        new.momenta[rows],
        options.masses,
        dt=options.dt,
    )
    energies, eigenvectors = energies_and_eigenvectors(model, middle)
    half = 0.5 * options.dt
    first = local_diabatisation(
        old.coefficients[rows], old.energies[rows], old.eigenvectors[rows], energies, eigenvectors, dt=half
    )
    second = local_diabatisation(
        first.coefficients, energies, eigenvectors, new.energies[rows], new.eigenvectors[rows], dt=half
    )
    both = in_sequence(first, second)
    return Propagation(
        whole.coefficients.index_copy(0, rows, both.coefficients),
        whole.propagator.index_copy(0, rows, both.propagator),
        whole.smallest_overlap.index_copy(0, rows, both.smallest_overlap),
    )


def _hop(
    state: State,
    model: Model,
    options: Fssh,
    rows: Int[Tensor, "hop"],
    target: Int[Tensor, "hop"],
    probabilities: Float[Tensor, "traj state"],
    zeta: Float[Tensor, "traj"],
) -> tuple[State, Hops]:
    positions, momenta, active = state.positions[rows], state.momenta[rows], state.active_state[rows]
    energies = state.energies[rows]
    u_active, u_target = (
        _vectors(state.eigenvectors[rows], active),
        _vectors(state.eigenvectors[rows], target),
    )
    # Force and coupling come from one evaluation: the rows are there twice, with other eigenvectors.
    gradients = directional_gradient(
        model,
        torch.cat([positions, positions]),
        torch.cat([u_target, u_active]),
        torch.cat([u_target, u_target]),
    )
    target_force, coupling = -gradients[: len(rows)], gradients[len(rows) :]
    match options.rescale:
        case "isotropic":
            direction = momenta
        case "gradient_difference":
            direction = target_force - state.force[rows]
        case _:
            direction = coupling
    if options.rescale in ("nac", "gradient_difference") and is_free(model):
        direction = without_rigid_motion(direction, positions, options.masses)
    energy_from, energy_to = potential_energy(energies, active), potential_energy(energies, target)
    kicked = kick(momenta, options.masses, direction=direction, energy_change=energy_to - energy_from)
    refused = after_frustrated_hop(
        momenta,
        options.masses,
        direction=direction,
        target_force=target_force,
        treatment=options.frustrated,
    )
    new_momenta = _choose(kicked.accepted, kicked.momenta, refused)
    new_state = replace(
        state,
        momenta=state.momenta.index_copy(0, rows, new_momenta),
        active_state=state.active_state.index_copy(0, rows, torch.where(kicked.accepted, target, active)),
        force=state.force.index_copy(0, rows, _choose(kicked.accepted, target_force, state.force[rows])),
    )
    hops = Hops(
        row=rows,
        from_state=active,
        to_state=target,
        accepted=kicked.accepted,
        energy_from=energy_from,
        energy_to=energy_to,
        kinetic_before=kinetic_energy(momenta, options.masses),
        kinetic_after=kinetic_energy(new_momenta, options.masses),
        zeta=zeta[rows],
        probability=probabilities[rows].gather(1, target[:, None])[:, 0],
    )
    return new_state, hops


def is_free(model: Model) -> bool:
    """Tell whether the energy of the model keeps total and angular momentum."""
    return model.coordinates == "cartesian" and {"rotation", "translation"} <= model.laws


def _vectors(eigenvectors: Tensor, states: Tensor) -> Tensor:
    return eigenvectors.gather(2, states[:, None, None].expand(-1, eigenvectors.shape[1], 1))[:, :, 0]


def _choose(rows: Bool[Tensor, "hop"], yes: Tensor, no: Tensor) -> Tensor:
    return torch.where(rows[:, None, None], yes, no)
