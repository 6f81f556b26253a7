"""A run on which the committee was overheard: seen as if it had been stopped where it was objected to.

With `stop.lenience` trajectories go on beyond the limits of spreads and novelty, to so many times as much.
The numbers of every step are in the file, so that they can be judged afterwards, by the limits or by a
multiple of them, and each time are what a run with these limits would have been, to the last bit.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int

from nadyn.checks.errors import InputError
from nadyn.trajectory.layout import FRAME_ARRAYS
from nadyn.trajectory.reader import Run, open_run

COMMITTEE, OUTSIDE_TRAINING = "committee", "outside_training"
_FINISHED = "finished"


@dataclass(frozen=True)
class DoubtLimits:
    """Where doubt begins in a run that goes on beyond it.

    Attributes:
        energy_spread: Largest calibrated spread of the energies of states in use [hartree]; infinite where
            spreads stop nothing.
        gap_spread: The same of distances to the active state [hartree].
        force_spread: The same of the force on the worst atom [hartree/bohr].
        novelty: Largest novelty of the worst atom.
        lenience: To how many times as much the run went on.
    """

    energy_spread: float
    gap_spread: float
    force_spread: float
    novelty: float
    lenience: float


def doubt_limits(run: Run) -> DoubtLimits | None:
    """Return where doubt begins in a run; None for one that was stopped there."""
    stored = run.attributes.get("doubt_limits")
    if stored is None:
        return None
    values = {name: np.inf if value is None else value for name, value in json.loads(str(stored)).items()}
    return DoubtLimits(**values)


def doubted(run: Run, limits: DoubtLimits, *, believe: float) -> Bool[np.ndarray, "frame traj"]:
    """Return where a run is beyond `believe` times the limits. A start is a start: what follows is judged."""
    found = np.zeros_like(run.alive())
    for name in ("energy_spread", "gap_spread", "force_spread"):
        array = getattr(run, name)
        most = believe * getattr(limits, name)
        if array is not None and np.isfinite(most):
            # A spread that is no number is too wide.
            found[1:] |= ~(np.asarray(array)[1:] <= most)
    return found | beyond_training(run, limits, believe=believe)


def beyond_training(run: Run, limits: DoubtLimits, *, believe: float) -> Bool[np.ndarray, "frame traj"]:
    """Return where a run is beyond `believe` times the largest novelty; at most everything is new."""
    found = np.zeros_like(run.alive())
    if run.novelty is not None:
        found[1:] = np.asarray(run.novelty)[1:] > min(1.0, believe * limits.novelty)
    return found


def judged(run: Run, *, believe: float = 1.0) -> Run:
    """Return a run as it would be with `believe` times its limits; one that was stopped at them as it is.

    A trajectory ends before the first step beyond the limits, with status `committee` or `outside_training`,
    and keeps its last values; hops after that are left out, and `stops` has the step that does not count.
    `divided_steps` and `cut_probabilities` remain those of the whole run. All frames are read into memory.

    Args:
        run: A run, finished or not.
        believe: How many times the limits; the lenience of the run at most.

    Raises:
        InputError: The run has no `stop.lenience`, or less than is to be believed.
    """
    limits = doubt_limits(run)
    _check(run, limits, believe)
    if limits is None or believe >= limits.lenience or run.committed_frames == 0:
        return run
    alive = run.alive()
    beyond = alive & doubted(run, limits, believe=believe)
    ended = beyond.any(axis=0)
    first = beyond.argmax(axis=0)
    codes = {name: code for code, name in run.status_names.items()}
    new = beyond_training(run, limits, believe=believe)[first, np.arange(len(first))]
    reason = np.where(new, codes[OUTSIDE_TRAINING], codes[COMMITTEE])
    last = np.where(ended, first - 1, run.last_step)
    worst = np.where(alive, np.abs(np.asarray(run.total_energy_error)), 0.0)
    before = np.arange(run.committed_frames)[:, None] <= last[None, :]
    kept = run.hops["step"] <= last[run.hops["traj"]]
    return replace(
        run,
        status=np.where(ended, reason, run.status),
        last_step=last,
        energy_error_max=np.where(ended, np.where(before, worst, 0.0).max(axis=0), run.energy_error_max),
        hops={name: column[kept] for name, column in run.hops.items()},
        stops=_stops(run, ended, first),
        **_held(run, ended, last),
    )


def open_judged(path: str | Path, *, believe: float = 1.0) -> Run:
    """Return a run as `judged` shows it.

    Raises:
        InputError: As `open_run` and `judged`.
    """
    return judged(open_run(path), believe=believe)


def _check(run: Run, limits: DoubtLimits | None, believe: float) -> None:
    most = 1.0 if limits is None else limits.lenience
    if not 0.0 < believe <= most:
        why = (
            "which was stopped at its limits. Run it with `stop: {lenience: 3}`"
            if limits is None
            else f"which went on to {limits.lenience:g} times its limits. Believe it less"
        )
        raise InputError(
            f"`believe` must be above 0 and at most {most:g} for run {str(run.path)!r}, but is {believe:g}: "
            f"{why}."
        )


def _held(run: Run, ended: Bool[np.ndarray, "traj"], last: Int[np.ndarray, "traj"]) -> dict[str, np.ndarray]:
    """Return the arrays of all frames, in which who has ended repeats its last values."""
    place = np.minimum(np.arange(run.committed_frames)[:, None], np.where(ended, last, run.committed_frames))
    column = np.arange(len(ended))
    arrays = {name: getattr(run, name) for name in FRAME_ARRAYS if hasattr(run, name)}
    return {name: np.asarray(array)[place, column] for name, array in arrays.items() if array is not None}


def _stops(
    run: Run, ended: Bool[np.ndarray, "traj"], first: Int[np.ndarray, "traj"]
) -> dict[str, np.ndarray]:
    found = {}
    for name, values in run.stops.items():
        frames = getattr(run, name, None)
        values = np.array(values)
        if frames is not None:
            values[ended] = np.asarray(frames)[first[ended], np.flatnonzero(ended)]
        found[name] = values
    return found
