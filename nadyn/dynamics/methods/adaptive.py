"""Time steps that a trajectory divides for itself where its energy or a small gap asks for it."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from nadyn.checks.errors import InputError
from nadyn.dynamics.methods.method import Drift, Stepping
from nadyn.dynamics.nuclei.followed import worst_quality
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.dynamics.state.batch import State, for_each_array, select
from nadyn.dynamics.state.memory import recall, remember, remembers
from nadyn.dynamics.state.random_numbers import Draws
from nadyn.dynamics.state.step import Step, join_hops, select_hops
from nadyn.models.model import Model
from nadyn.units import HARTREE_PER_EV


@dataclass(frozen=True)
class Division:
    """When a step is made in two halves instead, and each of them in two again.

    Attributes:
        energy: Largest change of the conserved energy in a step or a part of one [hartree].
        gap: Smallest gap at which a whole step is enough [hartree].
        halvings: How often a step may be halved.
    """

    energy: float
    gap: float
    halvings: int


@dataclass(frozen=True)
class DividedSteps:
    """How many time steps of each trajectory were divided so far."""

    n: Float[Tensor, "traj"]


def division_of(config: RunConfiguration) -> Division:
    """Return `adaptive` of a run file in atomic units; without it no step is divided.

    Raises:
        InputError: Not even half a step is as long as the shortest part, so that none would be divided.
    """
    section = config.adaptive
    if section is None:
        return Division(math.inf, 0.0, 0)
    # No part is shorter than the shortest; the last digit of a quotient of decimal numbers does not count.
    halvings = math.floor(math.log2(config.dt_fs / section.shortest_dt_fs) + 1e-9)
    if halvings < 1:
        raise InputError(
            f"`adaptive.shortest_dt_fs` must be at most half of `dt_fs`, {config.dt_fs / 2:g} fs, because "
            f"steps are divided into halves, but is {section.shortest_dt_fs:g}. "
            f"Try {config.dt_fs / 16:.2g}, or leave `adaptive` out."
        )
    return Division(section.energy_ev * HARTREE_PER_EV, section.gap_ev * HARTREE_PER_EV, halvings)


def divided_step(
    state: State, model: Model, stepping: Stepping, division: Division, *, dt: float, draws: Draws
) -> Step:
    """Advance a batch by one time step, each trajectory in as many parts as it needs.

    Whether a step is divided is decided after its drift and before its draw, so that it depends on nothing
    that is drawn in it: a step that were thrown away because of where it hopped, and drawn again, would hop
    less often than its probability says. Decided is from one trajectory alone, and nothing is carried to the
    next step: parts neither depend on the batch nor have to be in a checkpoint.

    Args:
        state: The batch.
        model: Any model.
        stepping: The method.
        division: When to divide.
        dt: Time step [au].
        draws: Random numbers of the whole step; parts draw others.
    """
    return _advance(state, model, stepping, division, dt, draws, division.halvings)


def counting(begin: Callable[[State, Model], State]) -> Callable[[State, Model], State]:
    """Return the begin of a method whose divided steps are counted from zero."""

    def begun(state: State, model: Model) -> State:
        state = begin(state, model)
        return remember(state, DividedSteps(torch.zeros_like(state.weight)))

    return begun


def _advance(
    state: State, model: Model, stepping: Stepping, division: Division, dt: float, draws: Draws, left: int
) -> Step:
    drift = stepping.drift(state, model, dt)
    divided = _too_coarse(drift, model, stepping, division) if left else torch.zeros_like(state.weight).bool()
    whole = stepping.draw(drift, model, draws)
    rows = torch.nonzero(divided)[:, 0]
    if not len(rows):
        return whole
    # Numbers of a binary tree: no two parts of a step draw the same random numbers.
    halves = [replace(draws, part=2 * draws.part + half) for half in (1, 2)]
    some = select(state, rows)
    first = _advance(some, model, stepping, division, 0.5 * dt, halves[0], left - 1)
    half_way = replace(first.state, step=state.step)
    second = _advance(half_way, model, stepping, division, 0.5 * dt, halves[1], left - 1)
    after = for_each_array(lambda all_rows, new: all_rows.index_copy(0, rows, new), whole.state, second.state)
    if draws.part == 0 and remembers(after, DividedSteps):
        after = remember(after, DividedSteps(recall(after, DividedSteps).n + divided.double()))
    hops = [select_hops(whole.hops, ~divided[whole.hops.row])]
    hops += [replace(step.hops, row=rows[step.hops.row]) for step in (first, second)]
    return Step(
        after,
        join_hops(hops),
        whole.intruder.index_copy(0, rows, first.intruder | second.intruder),
    )


def _too_coarse(drift: Drift, model: Model, stepping: Stepping, division: Division) -> Bool[Tensor, "traj"]:
    calm = (drift.after.total_energy - drift.before.total_energy).abs() <= division.energy
    near = torch.minimum(stepping.gap(drift.before), stepping.gap(drift.after)) < division.gap
    # A label source may know a shorter way; an energy that is not a number is not calm.
    doubted = worst_quality(drift.after, model) > worst_quality(drift.before, model)
    return near | doubted | ~calm
