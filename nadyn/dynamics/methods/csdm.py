"""Coherent switching with decay of mixing (CSDM): Ehrenfest motion that decays towards a pointer state.

Source: C. Zhu, S. Nangia, A. W. Jasper and D. G. Truhlar, J. Chem. Phys. 121, 7658 (2004), with the direction
of the momentum change as in the program SHARC 3 (module decoherence_dom).
"""

from dataclasses import dataclass, replace
from functools import partial

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from nadyn.checks.configuration import Configuration, parse_configuration
from nadyn.dynamics.electrons.gradients import vectors_of
from nadyn.dynamics.electrons.interpolated import apply_propagator
from nadyn.dynamics.electrons.mean import mean_force, total_mean_energy
from nadyn.dynamics.hops.cuts import begin_cuts, count_cuts
from nadyn.dynamics.hops.momentum import kick
from nadyn.dynamics.hops.probabilities import at_most_one, flow_probabilities
from nadyn.dynamics.methods.ehrenfest import ehrenfest_drift, motion_on_the_mean
from nadyn.dynamics.methods.mean_field import begin_on_mean
from nadyn.dynamics.methods.method import Drift, Stepping, smallest_gap_of_neighbours
from nadyn.dynamics.nuclei.rigid_motion import is_free, turned_halfway, without_rigid_motion
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.dynamics.state.batch import State, for_each_array, select
from nadyn.dynamics.state.batch_independence import elementwise, ordered_sum
from nadyn.dynamics.state.choice import choose_target
from nadyn.dynamics.state.energies import kinetic_energy, potential_energy
from nadyn.dynamics.state.memory import recall, remember
from nadyn.dynamics.state.populations import squared_coefficients
from nadyn.dynamics.state.random_numbers import Draws, Stream
from nadyn.dynamics.state.step import Hops, Step, finish_step, no_hops
from nadyn.electronic.surfaces import directional_gradient
from nadyn.models.model import Model

# Less population than this outside the pointer state, or in it, does not decay.
_NOTHING = 1e-14
_EMPTY_POINTER = 1e-4


class CsdmOptions(Configuration):
    """Options of method csdm: {constant: 1.0, energy_hartree: 0.1}, C and E_0 of the decay time."""

    constant: float = 1.0
    energy_hartree: float = 0.1


@dataclass(frozen=True)
class CoherentStates:
    """Coefficients without decay, and the coupling of the pointer state in the two steps before, 0 where it
    was not the pointer yet."""

    coefficients: Complex[Tensor, "traj state"]
    coupling_before: Float[Tensor, "traj 2"]


@dataclass(frozen=True)
class Csdm:
    """Choices of a CSDM run.

    Attributes:
        dt: Time step [au].
        seed: Seed of the switches.
        masses: [electron mass].
        constant: C of the decay time.
        energy: E_0 of the decay time [hartree].
    """

    dt: float
    seed: int
    masses: Float[Tensor, "atom"]
    constant: float = 1.0
    energy: float = 0.1


def begin_csdm(state: State, model: Model, masses: Float[Tensor, "atom"]) -> State:
    """Return a batch that starts: the pointer is the active state, and nothing has decayed yet."""
    # Neither falling nor rising: the first steps are no minimum.
    no_coupling = state.energies.new_zeros(len(state.weight), 2)
    begun = remember(state, CoherentStates(state.coefficients.clone(), no_coupling))
    return begin_cuts(begin_on_mean(begun, model, masses))


def csdm_draw(drift: Drift, model: Model, draws: Draws, *, options: Csdm) -> Step:
    """Return the step after its drift, the step on the mean as in Ehrenfest dynamics.

    Order: the same propagation of the coherent coefficients, which become the decaying ones again where the
    coupling of the pointer state has passed a minimum; fewest switches of the pointer state by the coherent
    coefficients, with no change of momentum; decay of the others towards the pointer state, whose energy the
    momenta pay; the force of the decayed state.

    Args:
        drift: What `ehrenfest_drift` has made.
        model: The model.
        draws: Random numbers.
        options: Constants of the decay.
    """
    options = replace(options, dt=drift.dt)
    state, moved, made = drift.before, drift.after, drift.made
    known = recall(state, CoherentStates)
    coherent = apply_propagator(made.propagator, known.coefficients)
    # A rate: steps need not be of one length.
    seen = turned_halfway(
        model, options.masses, state.positions, moved.positions, state.eigenvectors, moved.eigenvectors
    )
    coupling = pointer_coupling(*seen, state.active_state) / options.dt**2
    before = known.coupling_before
    minimum = (before[:, 1] < before[:, 0]) & (coupling > before[:, 1])
    began = torch.where(minimum[:, None], state.coefficients, known.coefficients)
    coherent = torch.where(minimum[:, None], moved.coefficients, coherent)
    probabilities, cut = at_most_one(flow_probabilities(began, coherent, made.propagator, state.active_state))
    moved = count_cuts(moved, cut)
    zeta = draws.uniform(moved.trajectory, moved.step, Stream.HOP)
    pointer = choose_target(probabilities, state.active_state, zeta)
    switched = torch.nonzero(pointer != state.active_state)[:, 0]
    switches = (
        _switches(moved, switched, pointer, probabilities, zeta, options)
        if len(switched)
        else no_hops(moved.positions.device)
    )
    # A new pointer state has another coupling: that of the old one would make up a minimum.
    stayed = (pointer == state.active_state)[:, None]
    memory = torch.where(stayed, torch.stack([before[:, 1], coupling], 1), 0.0)
    moved = replace(
        moved,
        active_state=pointer,
    )
    moved = remember(moved, CoherentStates(coherent, memory))
    squares = squared_coefficients(moved)
    inside = squares.gather(1, pointer[:, None])[:, 0]
    rows = torch.nonzero((1.0 - inside > _NOTHING) & (inside > _EMPTY_POINTER))[:, 0]
    if len(rows):
        decayed = decay_of_mixing(select(moved, rows), model, options)
        moved = for_each_array(lambda all, some: all.index_copy(0, rows, some), moved, decayed)
    moved = replace(moved, total_energy=total_mean_energy(moved, options.masses))
    return finish_step(state, moved, switches, intruder=drift.intruder)


def csdm_stepping(options: Csdm) -> Stepping:
    """Return the method with its choices."""
    return Stepping(
        drift=partial(ehrenfest_drift, masses=options.masses),
        draw=partial(csdm_draw, options=options),
        begin=lambda state, model: begin_csdm(state, model, options.masses),
        gap=smallest_gap_of_neighbours,
    )


def csdm_step(state: State, model: Model, options: Csdm) -> Step:
    """Advance a batch by one undivided time step, see `csdm_draw`."""
    return csdm_stepping(options).whole(state, model, options.dt, Draws(options.seed))


def decay_of_mixing(state: State, model: Model, options: Csdm) -> State:
    """Return a batch whose states have decayed towards the pointer state K for one time step.

    |c_i|^2 falls by exp(-dt/τ_i), τ_i = (C + E_0 / T_i) / |E_i - E_K|, and |c_K|^2 rises by as much. With
    s_i = d_iK (p·d_iK) / |d_iK| + p_vib (products with 1/m) and T_i the kinetic energy along s_i, the momenta
    change along s_i so that the energy |c_i|^2 (1 - exp(-dt/τ_i)) (E_K - E_i) is paid exactly; where they
    cannot pay, nothing decays. For molecules p_vib and d_iK are free of rigid motion.

    Source: Zhu, Nangia, Jasper and Truhlar (2004), eq. 28 for τ.
    """
    masses, pointer = options.masses, state.active_state
    free = is_free(model)
    squares, momenta = squared_coefficients(state), state.momenta
    pointer_energy = potential_energy(state.energies, pointer)
    remaining = torch.ones_like(squares)
    for number in range(squares.shape[1] - 1):
        # The states besides the pointer, one of each trajectory at a time.
        other = number + (pointer <= number).to(pointer.dtype)
        place = other[:, None]
        gap = potential_energy(state.energies, other) - pointer_energy
        direction = _decay_direction(state, model, other, gap, momenta, masses, free=free)
        along = _along(direction, momenta, masses)
        rate = torch.where(along > 0, gap.abs() * along / (options.constant * along + options.energy), 0.0)
        left = elementwise(torch.exp, -options.dt * rate)
        cost = -squares.gather(1, place)[:, 0] * (1.0 - left) * gap
        paid = kick(momenta, masses, direction=direction, energy_change=cost)
        momenta = torch.where(paid.accepted[:, None, None], paid.momenta, momenta)
        remaining = remaining.scatter(1, place, torch.where(paid.accepted, left, 1.0)[:, None])
    inside = squares.gather(1, pointer[:, None])[:, 0]
    gained = ordered_sum(squares * (1.0 - remaining))
    scale = torch.sqrt(remaining).scatter(
        1, pointer[:, None], torch.sqrt((inside + gained) / inside)[:, None]
    )
    decayed = replace(state, momenta=momenta, coefficients=state.coefficients * scale)
    return replace(decayed, force=mean_force(decayed, model, masses))


def pointer_coupling(
    eigenvectors: Float[Tensor, "traj basis state"],
    new_eigenvectors: Float[Tensor, "traj basis state"],
    pointer: Int[Tensor, "traj"],
) -> Float[Tensor, "traj"]:
    """Return Σ_{i≠K} S_iK^2 of the overlap of a step: its minima are where regions of coupling end.

    (S_iK / dt)^2 stands for |d_iK · v|^2, whose sum Zhu et al. (2004) watch.
    """
    old, total = vectors_of(eigenvectors, pointer), torch.zeros_like(eigenvectors[:, 0, 0])
    for i in range(eigenvectors.shape[2]):
        overlap = ordered_sum(old * new_eigenvectors[:, :, i])
        total = total + torch.where(pointer == i, 0.0, overlap * overlap)
    return total


def _decay_direction(
    state: State, model: Model, other: Tensor, gap: Tensor, momenta: Tensor, masses: Tensor, *, free: bool
) -> Float[Tensor, "traj atom x"]:
    u = state.eigenvectors
    coupling = directional_gradient(
        model, state.positions, vectors_of(u, other), vectors_of(u, state.active_state)
    )
    vibration = momenta
    if free:
        coupling = without_rigid_motion(coupling, state.positions, masses)
        vibration = without_rigid_motion(momenta, state.positions, masses)
    # Scaled before the division by the gap: s depends on the length of d, which has no bound.
    length = torch.sqrt(ordered_sum(coupling * coupling / masses[:, None]))
    usable = length > 0
    unit = coupling / torch.where(usable, length, 1.0)[:, None, None]
    projection = ordered_sum(vibration * unit / masses[:, None])
    d = length / gap.abs().clamp(min=1e-12)
    return unit * (d * projection)[:, None, None] + vibration


def _along(direction: Tensor, momenta: Tensor, masses: Tensor) -> Float[Tensor, "traj"]:
    """Return the kinetic energy of the motion along a direction, (p·s/m)^2 / (2 Σ s^2/m)."""
    square = ordered_sum(direction * direction / masses[:, None])
    product = ordered_sum(momenta * direction / masses[:, None])
    return torch.where(square > 0, 0.5 * product * product / torch.where(square > 0, square, 1.0), 0.0)


def _switches(
    moved: State, rows: Tensor, pointer: Tensor, probabilities: Tensor, zeta: Tensor, options: Csdm
) -> Hops:
    """Return the record of switches; the nuclei do not feel them."""
    kinetic = kinetic_energy(moved.momenta[rows], options.masses)
    # The potential energy is that of the mean, which no switch changes.
    potential = total_mean_energy(select(moved, rows), options.masses) - kinetic
    return Hops(
        row=rows,
        from_state=moved.active_state[rows],
        to_state=pointer[rows],
        accepted=torch.ones_like(rows, dtype=torch.bool),
        energy_from=potential,
        energy_to=potential,
        kinetic_before=kinetic,
        kinetic_after=kinetic,
        zeta=zeta[rows],
        probability=probabilities[rows].gather(1, pointer[rows, None])[:, 0],
    )


def _build(config: RunConfiguration, model: Model, masses: Float[Tensor, "atom"]) -> Stepping:
    chosen = parse_configuration(config.options or {}, CsdmOptions, where="`options` of method csdm")
    options = Csdm(
        dt=config.dt,
        seed=config.seed,
        masses=masses,
        constant=chosen.constant,
        energy=chosen.energy_hartree,
    )

    return csdm_stepping(options)


CSDM = motion_on_the_mean(_build, options=CsdmOptions, moves_on="mean of the states and a pointer state")
