"""Populations of species over time from trajectories that change, and of resampled ones."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

_TINY = 1e-300


@dataclass(frozen=True)
class Moves:
    """Which trajectory is what at which time, at equal distances in time.

    Attributes:
        time_fs: From 0 [fs].
        member: Species of each trajectory by number; -1 where it is not known, from then on to the end.
        part: Of the time between its last two known frames, the part until a trajectory was stopped; 1 where
            it came to the last one; see `nadyn.analysis.at_risk.with_ends`.
        names: Of the species.
    """

    time_fs: Float[np.ndarray, "frame"]
    member: Int[np.ndarray, "frame traj"]
    part: Float[np.ndarray, "traj"]
    names: tuple[str, ...]

    @property
    def is_whole(self) -> bool:
        """Whether everything is known at all times."""
        return bool((self.member >= 0).all() and (self.part == 1).all())


def fractions(
    moves: Moves, weight: Float[np.ndarray, "draw traj"]
) -> Float[np.ndarray, "draw frame species"]:
    """Return the population of each species by Aalen and Johansen, for each set of weights.

    From frame to frame the fraction of species i that becomes j is that among the trajectories that are known
    at both; one that was stopped in between counts for the part of the time that it was there. So the
    populations are those of a run in which nothing was stopped, as long as stops do not choose. Where nothing
    was stopped they are plain fractions.

    Source: O. O. Aalen and S. Johansen, Scand. J. Stat. 5, 141 (1978).
    """
    member, n = moves.member, len(moves.names)
    n_frames, n_traj = member.shape
    if moves.is_whole:
        is_in = member.T[:, :, None] == np.arange(n)
        total = weight.sum(axis=1)[:, None, None]
        return (weight @ is_in.reshape(n_traj, -1).astype(float)).reshape(-1, n_frames, n) / total
    at_risk, moved = _risk(moves)
    inside = (member[:-1, :, None] == np.arange(n)) * at_risk[..., None]
    number = np.einsum("dt,fti->dfi", weight, inside, optimize=True)
    first = (member[0, :, None] == np.arange(n)).astype(float)
    now = weight @ first / np.maximum(weight[:, member[0] >= 0].sum(axis=1), _TINY)[:, None]
    found = [now]
    for frame in range(n_frames - 1):
        which = np.nonzero(moved[frame])[0]
        change = np.zeros_like(now)
        starts, ends = member[frame, which], member[frame + 1, which]
        share = weight[:, which] * now[:, starts] / np.maximum(number[:, frame, starts], _TINY)
        for column, (start, end) in enumerate(zip(starts, ends, strict=True)):
            change[:, start] -= share[:, column]
            change[:, end] += share[:, column]
        now = now + change
        found.append(now)
    return np.stack(found, axis=1)


def transition_rates(moves: Moves, weight: Float[np.ndarray, "traj"]) -> Float[np.ndarray, "species species"]:
    """Return how often trajectories change from one species (second axis) to another (first), by the time
    they spend in it [1/fs]: where a fit begins."""
    at_risk, moved = _risk(moves)
    n, before, after = len(moves.names), moves.member[:-1], moves.member[1:]
    between = float(moves.time_fs[1] - moves.time_fs[0])
    rates = np.zeros((n, n))
    for start in range(n):
        spent = between * float((((before == start) * at_risk) @ weight).sum())
        for end in range(n):
            made = float((((before == start) & (after == end) & moved) @ weight).sum())
            rates[end, start] = made / spent if spent > 0 and end != start else 0.0
    return rates


def _risk(moves: Moves) -> tuple[Float[np.ndarray, "step traj"], Bool[np.ndarray, "step traj"]]:
    """Return for which part of each step a trajectory could change, and whether it did."""
    before, after = moves.member[:-1], moves.member[1:]
    both = (before >= 0) & (after >= 0)
    moved = both & (before != after)
    is_last = both & (np.cumsum(moves.member >= 0, axis=0)[1:] == (moves.member >= 0).sum(axis=0))
    return np.where(both, np.where(is_last & ~moved, moves.part, 1.0), 0.0), moved
