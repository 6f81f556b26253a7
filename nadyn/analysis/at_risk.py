"""Trajectories at risk of leaving a state: the population where some are stopped, also between frames."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

_NEWTON_STEPS = 8


@dataclass(frozen=True)
class Known:
    """Which trajectories are in the state, at the frames at which that is known.

    Attributes:
        inside: Whether it is in the state.
        counts: Whether that is known.
        part: Of the time between its last two frames that count, the part until a trajectory was stopped,
            whose state is that of the last one; 1 where it came to the last one.
    """

    inside: Bool[np.ndarray, "frame traj"]
    counts: Bool[np.ndarray, "frame traj"]
    part: Float[np.ndarray, "traj"]

    @property
    def is_last(self) -> Bool[np.ndarray, "frame traj"]:
        """Whether a frame is the last one that counts."""
        return self.counts & (np.cumsum(self.counts, axis=0) == self.counts.sum(axis=0))

    @property
    def last_inside(self) -> Bool[np.ndarray, "traj"]:
        """Whether a trajectory was in the state when it was last seen."""
        last = np.maximum(self.counts.sum(axis=0) - 1, 0)
        return self.inside[last, np.arange(len(last))]

    @property
    def stopped_inside(self) -> Bool[np.ndarray, "traj"]:
        """Whether a trajectory was stopped in the state."""
        return self.last_inside & (~self.counts[-1] | (self.part < 1))


def with_ends(
    time: Float[np.ndarray, "point"],
    member: Int[np.ndarray, "point traj"],
    end: Float[np.ndarray, "traj"],
    end_state: Int[np.ndarray, "traj"],
) -> tuple[Int[np.ndarray, "point traj"], Float[np.ndarray, "traj"]]:
    """Return the states with the last one of those that were stopped at the next point, and `Known.part`.

    Otherwise a decay between two points would be lost where its trajectory was stopped before the second.
    """
    member, part = member.copy(), np.ones(member.shape[1])
    n_known = (member >= 0).sum(axis=0)
    stopped = np.nonzero((n_known < len(time)) & (n_known > 0))[0]
    after = n_known[stopped]
    member[after, stopped] = end_state[stopped]
    part[stopped] = np.clip((end[stopped] - time[after - 1]) / (time[after] - time[after - 1]), 0.0, 1.0)
    return member, part


def occupation(known: Known, weight: Float[np.ndarray, "draw traj"]) -> Float[np.ndarray, "draw frame"]:
    """Return the population of the state by Aalen and Johansen, see `nadyn.analysis.kinetics.lifetimes`."""
    inside, counts = known.inside, known.counts
    both = counts[:-1] & counts[1:]
    # Of each trajectory, how much of the time between two frames it was not there any more.
    missed = np.where(known.is_last[1:], 1.0 - known.part, 0.0)
    leave = _chance(weight, inside[:-1] & both, ~inside[1:], missed)
    come = _chance(weight, ~inside[:-1] & both, inside[1:], missed)
    first = weight @ counts[0]
    population = [(weight @ (inside[0] & counts[0])) / np.maximum(first, 1e-300)]
    for frame in range(len(both)):
        now = population[-1]
        population.append(now * (1 - leave[:, frame]) + (1 - now) * come[:, frame])
    return np.stack(population, axis=1)


def _chance(
    weight: Float[np.ndarray, "draw traj"],
    of: Bool[np.ndarray, "frame traj"],
    that: Bool[np.ndarray, "frame traj"],
    missed: Float[np.ndarray, "frame traj"],
) -> Float[np.ndarray, "draw frame"]:
    """Return the chance of an event from frame to frame, see `nadyn.analysis.kinetics.lifetimes`.

    Args:
        weight: Of the trajectories.
        of: Those to which it could happen.
        that: Those to which it happened, if they are among them.
        missed: Part of the time between the frames during which a trajectory was not there any more.
    """
    whole, events = weight @ of.T, weight @ (of & that).T
    chance = events / np.maximum(whole, 1e-300)
    for frame in np.nonzero((of & ~that & (missed > 0)).any(axis=1) & events.any(axis=0))[0]:
        which = of[frame] & ~that[frame] & (missed[frame] > 0)
        rest, some = missed[frame, which], weight[:, which]
        x = np.zeros(len(weight))
        # The function is concave, so that Newton's steps come up to the root from below.
        for _ in range(_NEWTON_STEPS):
            stay = (1 - x)[:, None] ** rest
            value = whole[:, frame] * x - events[:, frame] - (some * (1 - stay)).sum(axis=1)
            slope = whole[:, frame] - (some * rest * stay).sum(axis=1) / (1 - x)
            x = np.minimum(x - value / np.maximum(slope, 1e-300), 1 - 1e-12)
        chance[:, frame] = x
    return chance
