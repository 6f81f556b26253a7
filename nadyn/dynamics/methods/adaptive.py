"""Time steps that a trajectory divides for itself where its energy or a small gap asks for it."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from nadyn.dynamics.methods.method import Motion
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.dynamics.state.batch import State, for_each_array, select
from nadyn.dynamics.state.energies import potential_energy
from nadyn.dynamics.state.step import Step, join_hops, select_hops
from nadyn.models.model import Model
from nadyn.units import HARTREE_PER_EV

# In `State.extra` of a run with `adaptive`: how many time steps of each trajectory were divided so far.
DIVIDED_STEPS = "divided_steps"

Part = Callable[[State, Model, float, int], Step]
Gap = Callable[[State], Float[Tensor, "traj"]]


def smallest_gap(state: State) -> Float[Tensor, "traj"]:
    """Return the smallest distance in energy from the active state to another one [hartree]."""
    gaps = (state.energies - potential_energy(state.energies, state.active_state)[:, None]).abs()
    gaps = gaps.scatter(1, state.active_state[:, None], torch.inf)
    return gaps.amin(1)


def smallest_gap_of_neighbours(state: State) -> Float[Tensor, "traj"]:
    """Return the smallest distance in energy of two neighbouring states [hartree]: motion on a mean has no
    state of its own."""
    return (state.energies[:, 1:] - state.energies[:, :-1]).amin(1)


@dataclass(frozen=True)
class Division:
    """When a step is made in two halves instead, and each of them in two again.

    Attributes:
        energy: Largest change of the conserved energy in a step or a part of one [hartree].
        gap: Smallest gap at which a whole step is enough [hartree].
        halvings: How often a step may be halved.
        gap_of: Which gap of a trajectory that is.
    """

    energy: float
    gap: float
    halvings: int
    gap_of: Gap = smallest_gap


def divided_where_asked(
    config: RunConfiguration, part: Part, *, gap_of: Gap = smallest_gap
) -> Callable[[State, Model], Step]:
    """Return the time step of a method: whole, or divided as `adaptive` in the run file asks for.

    Args:
        config: The run file.
        part: Makes a step of a given length; the whole number keys the random numbers, 0 for a whole step.
        gap_of: The gap near which steps are divided.
    """
    section = config.adaptive
    if section is None:
        return lambda state, model: part(state, model, config.dt, 0)
    # No part is shorter than the shortest; the last digit of a quotient of decimal numbers does not count.
    halvings = max(0, math.floor(math.log2(config.dt_fs / section.shortest_dt_fs) + 1e-9))
    division = Division(section.energy_ev * HARTREE_PER_EV, section.gap_ev * HARTREE_PER_EV, halvings, gap_of)
    return lambda state, model: divided_step(state, model, part, division, dt=config.dt)


def divided_step(state: State, model: Model, part: Part, division: Division, *, dt: float) -> Step:
    """Advance a batch by one time step, each trajectory in as many parts as it needs.

    Everything is decided from one trajectory alone, and nothing is carried to the next step: parts neither
    depend on the batch nor have to be in a checkpoint. A step that is divided is forgotten, its random
    numbers included.

    Args:
        state: The batch.
        model: Any model.
        part: Makes a step of a given length; the whole number keys the random numbers, 0 for a whole step.
        division: When to divide.
        dt: Time step [au].
    """
    return _advance(state, model, part, division, dt, 0, division.halvings)


def with_count(motion: Motion) -> Motion:
    """Return a method that counts its divided steps from zero."""

    def begin(state: State, model: Model) -> State:
        begun = motion.begin(state, model)
        return replace(begun, extra={**begun.extra, DIVIDED_STEPS: torch.zeros_like(begun.weight)})

    return replace(motion, begin=begin)


def _advance(
    state: State, model: Model, part: Part, division: Division, dt: float, number: int, left: int
) -> Step:
    whole = part(state, model, dt, number)
    if left == 0:
        return whole
    rows = torch.nonzero(_too_coarse(state, whole.state, division))[:, 0]
    if not len(rows):
        return whole
    # Numbers of a binary tree: no two parts of a step draw the same random numbers.
    some = select(state, rows)
    first = _advance(some, model, part, division, 0.5 * dt, 2 * number + 1, left - 1)
    half_way = replace(first.state, step=state.step)
    second = _advance(half_way, model, part, division, 0.5 * dt, 2 * number + 2, left - 1)
    divided = torch.zeros_like(whole.intruder).index_fill(0, rows, True)
    after = for_each_array(lambda all_rows, new: all_rows.index_copy(0, rows, new), whole.state, second.state)
    if number == 0 and DIVIDED_STEPS in after.extra:
        after = replace(
            after,
            extra={**after.extra, DIVIDED_STEPS: after.extra[DIVIDED_STEPS] + divided.to(torch.float64)},
        )
    hops = [select_hops(whole.hops, ~divided[whole.hops.row])]
    hops += [replace(step.hops, row=rows[step.hops.row]) for step in (first, second)]
    return Step(
        after,
        join_hops(hops),
        whole.intruder.index_copy(0, rows, first.intruder | second.intruder),
    )


def _too_coarse(old: State, new: State, division: Division) -> Bool[Tensor, "traj"]:
    calm = (new.total_energy - old.total_energy).abs() <= division.energy
    near = torch.minimum(division.gap_of(old), division.gap_of(new)) < division.gap
    # An energy that is not a number is not calm.
    return near | ~calm
