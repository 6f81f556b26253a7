"""Geometries at the lowest crossings of a round's model: trajectories are hot and come by far above them."""

from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float

from nadyn.electronic.crossings import Crossing, Goals, Wishes, find_crossings, landscape_of_model
from nadyn.learning.picks import CROSSING, Candidate
from nadyn.models.contacts import SHORTEST_FRACTION
from nadyn.models.model import Model
from nadyn.trajectory import Run
from nadyn.units import HARTREE_PER_EV

# A gap above it is no neighbourhood of a crossing.
_NARROW = 1.0 * HARTREE_PER_EV
# Searches for each pair of states: from the lowest places with narrow gaps, and from any of the others.
_LOWEST, _OTHERS = 3, 2
# Where they may end: a label tells more than further steps.
_GOALS = Goals(gap=0.01 * HARTREE_PER_EV, gradient=2e-3, max_points=60)


def at_crossings(run: Run, model: Model, where: str, *, seed: int) -> list[Candidate]:
    """Return the lowest crossings of neighbouring states below a swarm.

    A crossing that the model has where the source has none, or elsewhere, is found wrong as soon as its
    label is there; after a few rounds both agree. Ranks count the crossings of each pair of states by energy,
    so that the lowest of every pair come first.

    Args:
        run: The swarm; searches begin where its gaps were narrow.
        model: The model that moved it.
        where: Which swarm it is, in words.
        seed: Of the draw of beginnings.
    """
    landscape, rng = landscape_of_model(model), np.random.default_rng([seed, 3])
    if len(set(landscape.multiplicities)) > 1:
        return []
    wishes = Wishes(methods="projection", goals=_GOALS, is_minimum_checked=False, has_loop=False, seed=seed)
    candidates = []
    for pair in pairwise(range(model.n_states)):
        starts = _starts(run, pair, rng)
        if not starts:
            continue
        names = " and ".join(landscape.state_name(state) for state in pair)
        found = find_crossings(landscape, [start for start, _ in starts], pair, wishes).found
        for rank, one in enumerate(crossing for crossing in found if not is_crushed(model, crossing)):
            words = f"{where}, lowest crossing of {names} from {starts[one.starts[0]][1]}"
            candidates.append(Candidate(one.point.positions, CROSSING, words, rank))
    return candidates


def is_crushed(model: Model, crossing: Crossing) -> bool:
    """Return whether atoms are closer than a model can know anything about."""
    if model.shortest_distances is None:
        return False
    at = torch.from_numpy(crossing.point.positions)[None]
    return bool(model.shortest_distances.any_closer(at, SHORTEST_FRACTION)[0])


def _starts(
    run: Run, pair: tuple[int, int], rng: np.random.Generator
) -> list[tuple[Float[np.ndarray, "atom 3"], str]]:
    """Return where some trajectories were lowest among narrow gaps, and these places in words."""
    energies = np.asarray(run.energies)[:, :, list(pair)]
    mean = energies.mean(axis=2)
    mean = np.where(run.alive() & (energies[:, :, 1] - energies[:, :, 0] < _NARROW), mean, np.inf)
    frames = np.argmin(mean, axis=0)
    lowest = mean.min(axis=0)
    order = np.argsort(lowest, kind="stable")[: np.isfinite(lowest).sum()].tolist()
    others = rng.permutation(order[_LOWEST:])[:_OTHERS].tolist()
    return [
        (
            np.array(run.positions[frames[trajectory], trajectory], dtype=np.float64),
            f"trajectory {trajectory} at {run.time_fs[frames[trajectory]]:.1f} fs",
        )
        for trajectory in order[:_LOWEST] + others
    ]
