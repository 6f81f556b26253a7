"""One step of deterministic hopping: the active state is the one with the largest coefficient, at any moment.

Shared by MASH of two and of many states, which differ in the direction of the kick. The moment of a hop is
searched inside the step, so that the step is its own reverse and its error is of second order.

Source: J. A. Geuther, K. Asnaashari and J. O. Richardson, arXiv:2412.15976 (2024), for such
integrators of MASH.
"""

from dataclasses import dataclass, replace
from functools import partial

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from nadyn.dynamics.electrons.local_diabatisation import local_diabatisation
from nadyn.dynamics.electrons.propagation import Propagation
from nadyn.dynamics.electrons.ways import SMALLEST_OVERLAP, propagate
from nadyn.dynamics.hops.attempts import Direction, HopRules, attempt_hops
from nadyn.dynamics.hops.representation import SpinFree
from nadyn.dynamics.methods.method import Drift, Stepping
from nadyn.dynamics.methods.root_search import sign_changes
from nadyn.dynamics.nuclei.followed import with_worst_of
from nadyn.dynamics.nuclei.verlet import at_new_levels, at_new_positions, verlet
from nadyn.dynamics.state.batch import State, for_each_array, select
from nadyn.dynamics.state.energies import with_energy_of_active
from nadyn.dynamics.state.random_numbers import Draws
from nadyn.dynamics.state.step import Hops, Step, join_hops, no_hops
from nadyn.electronic.direct.model import DirectModel
from nadyn.models.model import Model

# Hops of one trajectory in one step; what crosses more often waits for the next step.
MOST_CROSSINGS = 10

# Above what |c|^2 are off by rounding.
_ROUNDING = 1e-13

# Width of the last bracket of a crossing, in steps. Each look into a step costs a label of a source.
_FINE, _COARSE = 2.0**-51, 2.0**-24


@dataclass(frozen=True)
class Mash:
    """Choices of a MASH run.

    Attributes:
        dt: Time step [au].
        masses: [electron mass].
        direction: Direction of the kick, at the moment of the hop.
    """

    dt: float
    masses: Float[Tensor, "atom"]
    direction: Direction


def mash_drift(
    state: State, model: Model, dt: float, *, masses: Float[Tensor, "atom"], direction: Direction
) -> Drift:
    """Return one time step, which is all: hops are certain, and nothing is drawn.

    Velocity Verlet on the active state and propagation of the coefficients. Where another coefficient is
    larger at the end, the moment at which it became so is searched, the step is made up to there, the
    momenta change or, if they cannot pay, turn around along the direction, and the rest of the step follows.

    Args:
        state: The batch; the active state of each trajectory has its largest coefficient.
        model: Any model with two states or more.
        dt: Time step [au].
        masses: [electron mass].
        direction: Of the kick.
    """
    nuclei = verlet(state, model, masses=masses, dt=dt)
    whole = propagate(state, nuclei, model, masses, dt=dt)
    moved = replace(nuclei, coefficients=whole.coefficients)
    smallest, hops = whole.smallest_overlap, no_hops(moved.positions.device)
    rows = torch.nonzero(lead_of_active(moved.coefficients, moved.active_state) < 0)[:, 0]
    if len(rows):
        options = Mash(dt=dt, masses=masses, direction=direction)
        moved, smallest, hops = _through_crossings(state, moved, smallest, rows, model, options)
    moved = with_energy_of_active(moved, masses)
    return Drift(state, moved, dt, hops=hops, intruder=smallest < SMALLEST_OVERLAP)


def mash_step(state: State, model: Model, options: Mash) -> Step:
    """Advance a batch by one undivided time step, see `mash_drift`."""
    stepping = Stepping(partial(mash_drift, masses=options.masses, direction=options.direction))
    return stepping.whole(state, model, options.dt, Draws(0))


def lead_of_active(
    coefficients: Complex[Tensor, "traj state"], active_state: Int[Tensor, "traj"]
) -> Float[Tensor, "traj"]:
    """Return |c_a|^2 minus the largest of the other |c_k|^2; with two states this is |S_z|, or -|S_z|."""
    squares, is_active = _squares(coefficients, active_state)
    active = torch.where(is_active, squares, 0.0).amax(1)
    return active - torch.where(is_active, -1.0, squares).amax(1)


def strongest_other(
    coefficients: Complex[Tensor, "traj state"], active_state: Int[Tensor, "traj"]
) -> Int[Tensor, "traj"]:
    """Return the state with the largest |c_k|^2 besides the active one."""
    squares, is_active = _squares(coefficients, active_state)
    return torch.where(is_active, -1.0, squares).argmax(1)


def part_of_step(
    state: State, model: Model, masses: Float[Tensor, "atom"], dt: Float[Tensor, "traj"]
) -> tuple[State, Propagation]:
    """Return a batch after a step of velocity Verlet with a time step for each trajectory.

    The number of steps in the state does not change.
    """
    momenta, positions = _drifted(state, masses, dt)
    moved = at_new_positions(state, model, positions)
    moved = replace(moved, momenta=momenta + moved.force * (0.5 * dt)[:, None, None])
    made = _propagated(state, moved.energies, moved.eigenvectors, dt)
    return replace(moved, coefficients=made.coefficients), made


def _through_crossings(
    old: State, moved: State, smallest: Tensor, rows: Tensor, model: Model, options: Mash
) -> tuple[State, Tensor, Hops]:
    masses = options.masses
    start, end = select(old, rows), select(moved, rows)
    left = smallest.new_full((len(rows),), options.dt)
    lowest = torch.ones_like(left)
    records: list[Hops] = []
    for _ in range(MOST_CROSSINGS):
        margin = _margin(start)
        lead = lead_of_active(end.coefficients, end.active_state) + margin
        crossing = lead < 0
        moved, smallest = _settled(moved, smallest, end, lowest, rows, ~crossing)
        rows, lead, left, lowest = rows[crossing], lead[crossing], left[crossing], lowest[crossing]
        start, end, margin = select(start, crossing), select(end, crossing), margin[crossing]
        if not len(rows):
            break
        just_before, moment, start = _moments_of_crossing(start, model, masses, left, lead, margin)
        at_hop, before = part_of_step(start, model, masses, moment)
        # Where two levels meet that do not couple, states change their numbers at once. Which has taken the
        # lead is known behind that, and the force that has acted up to there is that before it. A trajectory
        # that turns around stays before it.
        arriving, _ = part_of_step(start, model, masses, just_before)
        behind, hops = _hop(replace(at_hop, momenta=arriving.momenta), model, options)
        refused = torch.nonzero(~hops.accepted)[:, 0]
        turned = replace(arriving, momenta=behind.momenta)
        start = _with_rows(behind, refused, select(turned, refused))
        records.append(replace(hops, row=rows))
        left = left - torch.where(hops.accepted, moment, just_before)
        end, after = part_of_step(start, model, masses, left)
        lowest = torch.minimum(lowest, torch.minimum(before.smallest_overlap, after.smallest_overlap))
    moved, smallest = _settled(moved, smallest, end, lowest, rows, torch.ones_like(rows, dtype=torch.bool))
    return moved, smallest, join_hops(records)


def _margin(start: State) -> Tensor:
    """Return what is added to the lead of each trajectory while its next crossing is looked for.

    Just after a hop or a reflection the lead is zero but for rounding, which must not be taken for another
    crossing.
    """
    lead = lead_of_active(start.coefficients, start.active_state)
    return (_ROUNDING - lead).clamp(0.0, 4 * MOST_CROSSINGS * _ROUNDING)


def _moments_of_crossing(
    start: State, model: Model, masses: Tensor, left: Tensor, lead: Tensor, margin: Tensor
) -> tuple[Tensor, Tensor, State]:
    """Return the moments just before and just behind each crossing, and the start, which knows now what
    labels were met on the way."""
    met = [start]

    def lead_at(moment: Tensor, rows: Tensor) -> Tensor:
        part = select(start, rows)
        _, positions = _drifted(part, masses, moment)
        there = at_new_levels(part, model, positions)
        made = _propagated(part, there.energies, there.eigenvectors, moment)
        met[0] = with_worst_of(met[0], rows, there)
        return lead_of_active(made.coefficients, part.active_state) + margin[rows]

    # Only what has crossed more often than is followed in a step starts below zero, and crosses at once.
    at_start = lead_of_active(start.coefficients, start.active_state) + margin
    at_start = at_start.clamp(min=torch.finfo(torch.float64).tiny)
    tolerance = _COARSE if isinstance(model, DirectModel) else _FINE
    before, behind = sign_changes(lead_at, left, at_start=at_start, at_end=lead, tolerance=tolerance)
    return before, behind, met[0]


def _hop(state: State, model: Model, options: Mash) -> tuple[State, Hops]:
    # Nothing is drawn: the hop is certain, which is how the table of hops says it.
    return attempt_hops(
        state,
        model,
        options.masses,
        strongest_other(state.coefficients, state.active_state),
        HopRules(SpinFree(), options.direction, "reverse"),
        zeta=torch.zeros_like(state.weight),
        probability=torch.ones_like(state.weight),
    )


def _drifted(state: State, masses: Tensor, dt: Tensor) -> tuple[Tensor, Tensor]:
    dt = dt[:, None, None]
    momenta = state.momenta + state.force * (0.5 * dt)
    return momenta, state.positions + momenta / masses[:, None] * dt


def _propagated(state: State, energies: Tensor, eigenvectors: Tensor, dt: Tensor) -> Propagation:
    # Only the products of energies and time step occur, so that each trajectory may have its own.
    return local_diabatisation(
        state.coefficients,
        (state.energies * dt[:, None], state.eigenvectors),
        (energies * dt[:, None], eigenvectors),
        dt=1.0,
    )


def _squares(coefficients: Tensor, active_state: Tensor) -> tuple[Tensor, Tensor]:
    c = torch.view_as_real(coefficients.resolve_conj())
    squares = c[..., 0] * c[..., 0] + c[..., 1] * c[..., 1]
    return squares, torch.arange(squares.shape[1], device=squares.device) == active_state[:, None]


def _settled(
    moved: State, smallest: Tensor, end: State, lowest: Tensor, rows: Tensor, chosen: Tensor
) -> tuple[State, Tensor]:
    """Put the chosen trajectories of a part of the batch back into the whole."""
    places = rows[chosen]
    return _with_rows(moved, places, select(end, chosen)), smallest.index_copy(0, places, lowest[chosen])


def _with_rows(whole: State, rows: Tensor, part: State) -> State:
    return for_each_array(lambda all, some: all.index_copy(0, rows, some), whole, part)
