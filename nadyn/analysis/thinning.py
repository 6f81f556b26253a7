"""Which frames of which trajectories go into the report, so that thousands of them are a page of a few MB."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from nadyn.checks.counts import counted
from nadyn.trajectory import Run

# Coordinates and energies in one page; each takes somewhat more than a byte when differences are packed.
MOST_NUMBERS = 2_000_000
# A trajectory of fewer frames does not look like one: rather show fewer trajectories.
_FEWEST_FRAMES = 20


@dataclass(frozen=True)
class Thinned:
    """The frames that are shown.

    Attributes:
        trajectory: Of each shown frame, rising.
        frame: Of each, rising within a trajectory.
        sentence: What is shown and what was left out.
    """

    trajectory: Int[np.ndarray, "shown"]
    frame: Int[np.ndarray, "shown"]
    sentence: str


def thin(run: Run, *, most_numbers: int = MOST_NUMBERS, also: Sequence[tuple[int, int]] = ()) -> Thinned:
    """Return the frames of a run that a page shows.

    Start, end and accepted hops of every trajectory come first, then refused hops, then frames in equal steps
    of time, as fine as fits. Where fewer than about 20 such steps of all trajectories fit, fewer trajectories
    move; where not even starts, hops and ends fit, fewer are shown. Fewer are evenly chosen ones.

    Args:
        run: With at least one frame.
        most_numbers: Coordinates and energies that fit.
        also: Moments that are shown whatever fits, by trajectory and frame.
    """
    most = max(2, most_numbers // (run.positions.shape[2] * run.positions.shape[3] + run.n_states + 2))
    alive = run.alive()
    chosen = np.ones(run.n_trajectories, bool)
    keys = _ends(alive) | _hops(run, alive, accepted=True)
    if keys.sum() > most // 2:
        chosen = _evenly(chosen, int(run.n_trajectories * (most // 2) / keys.sum()))
        keys, alive = keys & chosen, alive & chosen
    with_refused = keys | (_hops(run, alive, accepted=False) & chosen)
    keys = with_refused if with_refused.sum() <= most // 2 else keys
    moving = chosen
    stride, coarsest = 1, max(1, (run.committed_frames - 1) // _FEWEST_FRAMES)
    shown = _in_steps(alive, stride) | keys
    while shown.sum() > most and stride < coarsest:
        stride += 1
        shown = _in_steps(alive, stride) | keys
    if shown.sum() > most:
        each = (shown.sum() - keys.sum()) / chosen.sum()
        moving = _evenly(chosen, int((most - keys.sum()) / each))
        shown = (_in_steps(alive, stride) & moving) | keys
    wanted = np.zeros_like(shown)
    wanted[[frame for _, frame in also], [trajectory for trajectory, _ in also]] = True
    of_them = wanted.any(axis=0) & ~chosen
    trajectory, frame = np.nonzero((shown | wanted | (_ends(run.alive()) & of_them)).T)
    chosen = chosen | of_them
    return Thinned(trajectory, frame, _sentence(run, chosen, moving, stride))


def nearest_frame(run: Run, alive: Bool[np.ndarray, "frame traj"]) -> Int[np.ndarray, "hop"]:
    """Return the valid frame of its trajectory that is nearest to each hop."""
    last = np.maximum(alive.sum(axis=0) - 1, 0)
    frame = np.rint(run.hops["step"] / int(run.attributes["write_every"])).astype(np.int64)
    return np.minimum(frame, last[run.hops["traj"]])


def _ends(alive: Bool[np.ndarray, "frame traj"]) -> Bool[np.ndarray, "frame traj"]:
    found = np.zeros_like(alive)
    found[0] = True
    found[np.maximum(alive.sum(axis=0) - 1, 0), np.arange(alive.shape[1])] = True
    return found


def _hops(
    run: Run, alive: Bool[np.ndarray, "frame traj"], *, accepted: bool
) -> Bool[np.ndarray, "frame traj"]:
    found = np.zeros_like(alive)
    like = (run.hops["accepted"] == 1) == accepted
    found[nearest_frame(run, alive)[like], run.hops["traj"][like]] = True
    return found


def _in_steps(alive: Bool[np.ndarray, "frame traj"], stride: int) -> Bool[np.ndarray, "frame traj"]:
    return alive & (np.arange(len(alive)) % stride == 0)[:, None]


def _evenly(among: Bool[np.ndarray, "traj"], number: int) -> Bool[np.ndarray, "traj"]:
    """Return about as many of those that are true, evenly chosen, at least one."""
    places = np.nonzero(among)[0]
    found = np.zeros_like(among)
    found[places[np.unique(np.linspace(0, len(places) - 1, max(1, number)).round().astype(int))]] = True
    return found


def _sentence(
    run: Run, chosen: Bool[np.ndarray, "traj"], moving: Bool[np.ndarray, "traj"], stride: int
) -> str:
    total = counted(run.n_trajectories, "trajectory")
    if moving.all() and stride == 1:
        return f"All frames of {'the one' if run.n_trajectories == 1 else 'all'} {total} are in this page."
    every = run.time_fs[1] if run.committed_frames > 1 else 0.0
    steps = f"in steps of {stride * every:.3g} fs"
    if moving.all():
        words = f"In this page are all {total} {steps}, with their hops and ends."
    elif chosen.all():
        words = (
            f"In this page are {moving.sum()} of {total}, evenly chosen, {steps}; of the others their "
            "starts, hops and ends."
        )
    else:
        words = (
            f"In this page are {chosen.sum()} of {total}, evenly chosen: {moving.sum()} {steps}, of the "
            "others starts, hops and ends."
        )
    return f"{words} The trajectory file has a frame every {every:.3g} fs."
