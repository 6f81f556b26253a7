"""Trajectories that follow a kinetic scheme exactly, to try analyses on."""

import numpy as np
from jaxtyping import Float, Int

from nadyn.analysis.schemes import Scheme


def drawn_members(
    scheme: Scheme,
    rates: Float[np.ndarray, "step"],
    time_fs: Float[np.ndarray, "frame"],
    *,
    start: Int[np.ndarray, "traj"],
    rng: np.random.Generator,
) -> Int[np.ndarray, "frame traj"]:
    """Return the species of trajectories that jump at random, each step at its rate, at all times.

    Args:
        scheme: The steps.
        rates: [1/fs].
        time_fs: Of each frame, from 0 [fs].
        start: Species of each trajectory at first.
        rng: Random numbers.
    """
    starts, ends = (np.array(column) for column in zip(*scheme.arrows, strict=True))
    member = np.broadcast_to(start, (len(time_fs), len(start))).copy()
    state, now, going = np.array(start), np.zeros(len(start)), np.arange(len(start))
    leaving = np.bincount(starts, weights=rates, minlength=len(scheme.species))
    while len(going):
        going = going[leaving[state[going]] > 0]
        now[going] += rng.exponential(1 / leaving[state[going]])
        going = going[now[going] <= time_fs[-1]]
        before = state[going]
        for species in np.unique(before):
            steps = np.nonzero(starts == species)[0]
            which = going[before == species]
            chosen = rng.choice(steps, len(which), p=rates[steps] / leaving[species])
            state[which] = ends[chosen]
        for traj in going.tolist():
            member[np.searchsorted(time_fs, now[traj]) :, traj] = state[traj]
    return member
