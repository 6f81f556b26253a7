"""When a molecule has fallen apart for good: an ending that is a result, with status `dissociated`.

Once a femtosecond, each trajectory is asked, the cheap questions first:

1. Is it in pieces? Fragments are those of `nadyn.structures.fragments`: no chain of distances below 2.5 sums
of
   covalent radii joins them.
2. Do all fragments recede from each other, R·V > 0 for the vectors between their centres of mass?
3. Is it on the lowest level of its asymptote? The active state is the lowest one, or differs from it by less
   than 5 meV in energy and by less than the threshold in the force on every atom. States of free fragments
   that are degenerate (components of a Π radical, or of an atom) come that close; two surfaces that only
   cross differ in their forces. Where the nuclei move on a mean of states, 99 % of the population must be
   there. Where they stay on one state, that state is all there is.
4. Do the fragments no longer feel each other in any state in use? In use are the active state and, where hops
are
   possible, all up to the highest with more than 1 % of the population or less than 1 eV above the active
   one. The force between fragments is the sum of the forces on the atoms of one, which is what changes its
   momentum; for each state in use it must be below 0.05 eV/angstrom for every fragment, and so must the same
   sum of the couplings h between two of them.
5. Is there nothing more to come? All fragments are moved apart by 10 angstrom, or by the reach of the model
   if that is more, and by 1000 and more, without a change inside them. There the model must still be inside
   its training, the energy of no state in use may change by 0.05 eV, and the fragments must recede with more
   energy than that change. So a model that is only flat where it ends does not pass: what it says of
   fragments that are apart must be known and the same. Nor do ions, which feel each other beyond any
   threshold of a force: at 60 angstrom they pull with 0.004 eV/angstrom, and 0.24 eV are left to climb.

The state is kept. What happens inside a free fragment afterwards, such as a hop of a radical that bends until
it is straight, is not followed; `stop: {dissociated: false}` follows it.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from nadyn.dynamics.state.batch import State, select
from nadyn.dynamics.state.batch_independence import ordered_sum
from nadyn.dynamics.state.surplus import highest_in_use
from nadyn.electronic.surfaces import Surfaces, surfaces
from nadyn.models.model import HasReach, Model
from nadyn.structures.fragments import fragments
from nadyn.units import ANGSTROM_PER_BOHR, AU_PER_FEMTOSECOND, BOHR_PER_ANGSTROM, HARTREE_PER_EV

SMALLEST_FORCE = 0.05 * HARTREE_PER_EV * ANGSTROM_PER_BOHR
SMALLEST_ENERGY = 0.05 * HARTREE_PER_EV
DEGENERATE = 0.005 * HARTREE_PER_EV
MOVED_APART = (10.0 * BOHR_PER_ANGSTROM, 1000.0 * BOHR_PER_ANGSTROM)
_NEARLY_ALL = 0.99


@dataclass(frozen=True)
class Dissociation:
    """How a run asks whether a molecule has fallen apart.

    Attributes:
        interval: Steps from one question to the next.
        most_novelty: Novelty up to which a geometry is inside of the training.
        on_a_mean: Whether the nuclei move on a mean of states.
        on_one_state: Whether they stay on the state they are on.
    """

    interval: int
    most_novelty: float
    on_a_mean: bool = False
    on_one_state: bool = False


def interval_of(dt: float) -> int:
    """Return the steps of `dt` [au] in a femtosecond, one at least."""
    return max(1, round(AU_PER_FEMTOSECOND / dt))


def dissociated(state: State, model: Model, rule: Dissociation) -> Bool[Tensor, "traj"]:
    """Tell which molecules have fallen apart for good. A row depends on itself only."""
    result = torch.zeros_like(state.active_state, dtype=torch.bool)
    if state.step % rule.interval:
        return result
    numbers = np.array(model.atomic_numbers)
    member = fragments(numbers, state.positions.cpu().numpy())
    rows = torch.from_numpy((member != 0).any(axis=1)).to(result.device) & _on_lowest_energy(state, rule)
    if not rows.any():
        return result
    chosen = torch.nonzero(rows)[:, 0]
    member = member[chosen.cpu().numpy()]
    # Fragments of one composition at a time: the same atoms together.
    for kind in np.unique(member, axis=0):
        here = chosen[torch.from_numpy((member == kind).all(axis=1)).to(chosen.device)]
        result[here] = _apart_for_good(select(state, here), model, kind, rule)
    return result


def _on_lowest_energy(state: State, rule: Dissociation) -> Bool[Tensor, "traj"]:
    if rule.on_one_state:
        return torch.ones_like(state.active_state, dtype=torch.bool)
    near = state.energies - state.energies[:, :1] < DEGENERATE
    if rule.on_a_mean:
        return ordered_sum(state.coefficients.abs() ** 2 * near) > _NEARLY_ALL
    return near.gather(1, state.active_state[:, None])[:, 0]


def _apart_for_good(
    state: State, model: Model, member: Int[np.ndarray, "atom"], rule: Dissociation
) -> Bool[Tensor, "traj"]:
    """Return the answer for trajectories with the same fragments."""
    device = state.positions.device
    parts = [torch.from_numpy(np.flatnonzero(member == number)).to(device) for number in np.unique(member)]
    masses = model.masses.to(state.positions.dtype)
    bodies = [masses[part].sum() for part in parts]
    weighted = state.positions * masses[:, None]
    centres = [_over_atoms(weighted[:, part]) / mass for part, mass in zip(parts, bodies, strict=True)]
    speeds = [_over_atoms(state.momenta[:, part]) / mass for part, mass in zip(parts, bodies, strict=True)]
    origin = _over_atoms(weighted) / masses.sum()
    energy = torch.full_like(state.total_energy, torch.inf)
    nearest = torch.full_like(energy, torch.inf)
    for i, j in combinations(range(len(parts)), 2):
        apart, speed = centres[j] - centres[i], speeds[j] - speeds[i]
        distance = _length(apart)
        outward = ordered_sum(apart * speed) / distance
        reduced = bodies[i] * bodies[j] / (bodies[i] + bodies[j])
        energy = torch.minimum(energy, torch.where(outward > 0, 0.5 * reduced * outward**2, -1.0))
        nearest = torch.minimum(nearest, distance)
    rows = torch.nonzero(energy > 0)[:, 0]
    result = torch.zeros_like(energy, dtype=torch.bool)
    if not len(rows):
        return result
    state, energy, nearest = select(state, rows), energy[rows], nearest[rows]
    here = surfaces(model, state.positions)
    used = _used(state, rule)
    free = _is_free(here, parts, used) & _is_lowest(here, state, rule)
    directions = [centre[rows] - origin[rows] for centre in centres]
    reach = model.reach if isinstance(model, HasReach) else 0.0
    for distance in (max(reach, MOVED_APART[0]), MOVED_APART[1]):
        moved = state.positions.clone()
        for part, direction in zip(parts, directions, strict=True):
            moved[:, part] += ((distance / nearest)[:, None] * direction)[:, None]
        there = surfaces(model, moved)
        change = torch.where(used, (there.energies - here.energies).abs(), 0.0).amax(1)
        free &= (change < SMALLEST_ENERGY) & (change < energy) & (there.novelty <= rule.most_novelty)
    result[rows] = free
    return result


def _used(state: State, rule: Dissociation) -> Bool[Tensor, "traj state"]:
    numbers = torch.arange(state.energies.shape[1], device=state.energies.device)
    if rule.on_one_state:
        return numbers == state.active_state[:, None]
    return numbers <= highest_in_use(state)[:, None]


def _is_free(here: Surfaces, parts: list[Tensor], used: Tensor) -> Bool[Tensor, "traj"]:
    """Tell where no state in use pulls at a fragment, and no coupling between two of them does."""
    matters = used[:, :, None] & used[:, None, :]
    free = torch.ones_like(used[:, 0])
    for part in parts:
        net = _over_atoms(here.interstate_coupling[..., part, :])
        free &= (torch.where(matters, _length(net), 0.0) < SMALLEST_FORCE).flatten(1).all(1)
    return free


def _is_lowest(here: Surfaces, state: State, rule: Dissociation) -> Bool[Tensor, "traj"]:
    """Tell where the forces on the active state are those on the lowest one."""
    if rule.on_one_state or rule.on_a_mean:
        return torch.ones_like(state.active_state, dtype=torch.bool)
    rows = torch.arange(len(state.active_state), device=state.active_state.device)
    difference = _length(here.forces[rows, state.active_state] - here.forces[:, 0])
    return (difference < SMALLEST_FORCE).all(1)


def _over_atoms(vectors: Float[Tensor, "*rest atom 3"]) -> Float[Tensor, "*rest 3"]:
    """Return the sum over atoms, term by term: its bits do not depend on the batch."""
    total = vectors[..., 0, :]
    for atom in range(1, vectors.shape[-2]):
        total = total + vectors[..., atom, :]
    return total


def _length(vectors: Float[Tensor, "*rest 3"]) -> Float[Tensor, "*rest"]:
    squares = vectors * vectors
    return torch.sqrt(squares[..., 0] + squares[..., 1] + squares[..., 2])
