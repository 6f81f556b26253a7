"""Time steps that a trajectory divides for itself where its energy or a small gap asks for it."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from nadyn.dynamics.state import State, for_each_array, select
from nadyn.dynamics.step import Hops, Step, potential_energy, select_hops
from nadyn.models.model import Model

Part = Callable[[State, Model, float, int], Step]


@dataclass(frozen=True)
class Division:
    """When a step is made in two halves instead, and each of them in two again.

    Attributes:
        energy: Largest change of the conserved energy in a step or a part of one [hartree].
        gap: Smallest gap between the active state and another one at which a whole step is enough [hartree].
        halvings: How often a step may be halved.
    """

    energy: float
    gap: float
    halvings: int


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
    hops = [select_hops(whole.hops, ~divided[whole.hops.row])]
    hops += [replace(step.hops, row=rows[step.hops.row]) for step in (first, second)]
    return Step(
        for_each_array(lambda all_rows, new: all_rows.index_copy(0, rows, new), whole.state, second.state),
        _joined(hops),
        whole.intruder.index_copy(0, rows, first.intruder | second.intruder),
    )


def _too_coarse(old: State, new: State, division: Division) -> Bool[Tensor, "traj"]:
    calm = (new.total_energy - old.total_energy).abs() <= division.energy
    near = torch.minimum(smallest_gap(old), smallest_gap(new)) < division.gap
    # An energy that is not a number is not calm.
    return near | ~calm


def smallest_gap(state: State) -> Float[Tensor, "traj"]:
    """Return the smallest distance in energy from the active state to another one [hartree]."""
    gaps = (state.energies - potential_energy(state.energies, state.active_state)[:, None]).abs()
    gaps = gaps.scatter(1, state.active_state[:, None], torch.inf)
    return gaps.amin(1)


def _joined(parts: list[Hops]) -> Hops:
    return Hops(**{f.name: torch.cat([getattr(part, f.name) for part in parts]) for f in fields(Hops)})
