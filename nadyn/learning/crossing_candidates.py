"""Geometries at the lowest crossings of a round's model: trajectories are hot and come by far above them."""

from itertools import pairwise
from pathlib import Path

import numpy as np

from nadyn.checks.errors import InputError
from nadyn.electronic.crossings import Goals, Wishes, find_crossings, landscape_of_model
from nadyn.learning.crossing_starts import starts_of_run
from nadyn.learning.picks import CROSSING, Candidate
from nadyn.models.model import Model
from nadyn.units import BOHR_PER_ANGSTROM, HARTREE_PER_EV

# Searches of a swarm for each pair of states, and where they may end: a label tells more than further steps.
_SEARCHES = 3
_GOALS = Goals(gap=0.01 * HARTREE_PER_EV, gradient=2e-3, max_points=60)
# Geometries about each crossing, displaced by so much in each coordinate: the slopes of a cone.
_ABOUT = 2
_DISPLACEMENT = 0.03 * BOHR_PER_ANGSTROM


def at_crossings(swarm: Path, model: Model, where: str, *, seed: int) -> list[Candidate]:
    """Return the lowest crossings of neighbouring states below a swarm, and places about them.

    A crossing that the model has where the source has none, or elsewhere, is found wrong as soon as its
    label is there; after a few rounds both agree.

    Args:
        swarm: Trajectory file of the swarm; searches begin at its hops, or where gaps were narrow.
        model: The model that moved it.
        where: Which swarm it is, in words.
        seed: Of the displacements.
    """
    wishes = Wishes(methods="projection", goals=_GOALS, is_minimum_checked=False, has_loop=False, seed=seed)
    landscape = landscape_of_model(model)
    candidates = []
    rng = np.random.default_rng([seed, 3])
    for pair in pairwise(range(model.n_states)):
        try:
            starts = starts_of_run(swarm, pair, _SEARCHES)
        except InputError:
            # No trajectory has come near to such a crossing yet, or there are several multiplicities.
            continue
        names = " and ".join(landscape.state_name(state) for state in pair)
        for one in find_crossings(landscape, starts.positions, pair, wishes).found:
            words = f"{where}, lowest crossing of {names} from the {starts.origins[one.starts[0]]}"
            at = one.point.positions
            candidates.append(Candidate(at, CROSSING, words))
            candidates += [
                Candidate(at + _DISPLACEMENT * rng.standard_normal(at.shape), CROSSING, f"beside: {words}")
                for _ in range(_ABOUT)
            ]
    return candidates
