"""Geometries of a swarm that a label might teach something about."""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from nadyn.analysis.fates import ended_as_asked
from nadyn.learning.gap_descent import descend
from nadyn.learning.objections import Objections
from nadyn.learning.picks import DOUBT, GAP, RANDOM, STOP, Candidate
from nadyn.models.model import Model
from nadyn.trajectory import Run
from nadyn.units import ELECTRONVOLT_PER_HARTREE, HARTREE_PER_EV

# Below it two states are close enough to want labels.
_SMALL_GAP = 1.0 * HARTREE_PER_EV
# Descents of the gap, and frames at random to draw from, of one swarm.
_DESCENTS = 40
_AT_RANDOM = 400


def stops(run: Run, where: str) -> list[Candidate]:
    """Return for each trajectory that was stopped the geometry that stopped it.

    Args:
        run: The swarm.
        where: Which swarm it is, in words.
    """
    found = []
    frames = np.minimum(
        run.last_step // int(run.attributes["write_every"]), run.committed_frames - 1
    ).tolist()
    for trajectory in np.flatnonzero(~ended_as_asked(run)).tolist():
        reason = run.status_names[int(run.status[trajectory])]
        words = f"{_at(run, where, trajectory, frames[trajectory])}: {reason}"
        found.append(Candidate(_stopped_at(run, trajectory, frames[trajectory]), STOP, words))
    return found


def in_doubt(run: Run, where: str, objections: Objections, *, seed: int) -> list[Candidate]:
    """Return for each trajectory where the committee first objected to it, and a frame at random from after
    that.

    Args:
        run: The swarm.
        where: Which swarm it is, in words.
        objections: What the committee objects to.
        seed: Of the draw.
    """
    found = []
    rng = np.random.default_rng([seed, 2])
    ends = run.alive().sum(axis=0)
    for trajectory, first in enumerate(objections.first(run).tolist()):
        later = int(rng.integers(first, ends[trajectory])) if first >= 0 else -1
        words = {later: "after an objection", first: "first objection"}
        for frame in sorted(words) if first >= 0 else ():
            why = f"{_at(run, where, trajectory, frame)}: {words[frame]}"
            found.append(Candidate(np.array(run.positions[frame, trajectory]), DOUBT, why))
    return found


def without_result(run: Run, objections: Objections) -> Float[np.ndarray, "place atom 3"]:
    """Return where each trajectory without a result was first in doubt, or stopped if never before [bohr]."""
    first = objections.first(run)
    frames = np.minimum(run.last_step // int(run.attributes["write_every"]), run.committed_frames - 1)
    found = [
        np.array(run.positions[first[trajectory], trajectory])
        if first[trajectory] >= 0
        else _stopped_at(run, trajectory, int(frames[trajectory]))
        for trajectory in np.flatnonzero(~objections.results(run)).tolist()
    ]
    return np.stack(found) if found else np.zeros((0, *run.positions.shape[2:]))


def at_random(
    run: Run, where: str, objections: Objections, *, seed: int, but_first: int = 0
) -> list[Candidate]:
    """Return frames drawn at random from all that trajectories have come through without objection.

    Args:
        run: The swarm.
        where: Which swarm it is, in words.
        objections: What the committee objects to.
        seed: Of the draw.
        but_first: So many trajectories are left out: those whose starts moved on the source itself, and whose
            labels train.
    """
    unquestioned = objections.unquestioned(run)
    # The start is known: it is where the sample is.
    unquestioned[0] = False
    unquestioned[:, :but_first] = False
    frames, trajectories = np.nonzero(unquestioned)
    chosen = np.random.default_rng(seed).permutation(len(frames))[:_AT_RANDOM]
    found = []
    for i in sorted(chosen):
        frame, trajectory = int(frames[i]), int(trajectories[i])
        words = _at(run, where, trajectory, frame)
        found.append(Candidate(np.array(run.positions[frame, trajectory]), RANDOM, words))
    return found


def at_small_gaps(run: Run, where: str) -> list[Candidate]:
    """Return for each trajectory the frame with the smallest gap between neighbouring states, under 1 eV."""
    if run.n_states < 2:
        return []
    energies = np.asarray(run.energies)
    gaps = np.diff(energies, axis=2).min(axis=2)
    gaps = np.where(run.alive(), gaps, np.inf)
    gaps[0] = np.inf
    found = []
    for trajectory, frame in enumerate(np.argmin(gaps, axis=0).tolist()):
        gap = gaps[frame, trajectory]
        if gap < _SMALL_GAP:
            words = (
                f"{where}, trajectory {trajectory} at {run.time_fs[frame]:.1f} fs: gap of "
                f"{gap * ELECTRONVOLT_PER_HARTREE:.2f} eV"
            )
            found.append(Candidate(np.array(run.positions[frame, trajectory]), GAP, words))
    return found


def down_the_gap(
    run: Run,
    model: Model,
    trusted: Callable[[Float[Tensor, "traj atom 3"]], Bool[Tensor, "traj"]],
    where: str,
    *,
    seed: int,
) -> list[Candidate]:
    """Return where descents of the gap end that begin on upper states, see `descend`.

    Args:
        run: The swarm.
        model: The model that moved it.
        trusted: Whether a geometry is still trusted.
        where: Which swarm it is, in words.
        seed: Of the draw of the beginnings.
    """
    active = np.asarray(run.active_state)
    starts = run.alive() & (active > 0)
    frames, trajectories = np.nonzero(starts)
    if not len(frames):
        return []
    chosen = np.sort(np.random.default_rng([seed, 1]).permutation(len(frames))[:_DESCENTS])
    frames, trajectories = frames[chosen], trajectories[chosen]
    positions = torch.from_numpy(np.asarray(run.positions)[frames, trajectories].astype(np.float64))
    lower = torch.from_numpy(active[frames, trajectories].astype(np.int64)) - 1
    ended = descend(model, positions, lower, trusted)
    found = []
    for i in range(len(frames)):
        gap = float(ended.gap[i]) * ELECTRONVOLT_PER_HARTREE
        words = (
            f"{where}, down the gap from trajectory {trajectories[i]} at {run.time_fs[frames[i]]:.1f} fs, to "
            f"{gap:.2f} eV" + (", where the committee objects" if bool(ended.left_trust[i]) else "")
        )
        found.append(Candidate(ended.positions[i].numpy(), GAP, words))
    return found


def _at(run: Run, where: str, trajectory: int, frame: int) -> str:
    return f"{where}, trajectory {trajectory} at {run.time_fs[frame]:.1f} fs"


def _stopped_at(run: Run, trajectory: int, frame: int) -> Float[np.ndarray, "atom 3"]:
    """Return the geometry that stopped a trajectory; the last frame where the file does not have it."""
    stopped = run.stops.get("positions")
    if stopped is not None and np.isfinite(stopped[trajectory]).all():
        return np.array(stopped[trajectory])
    return np.array(run.positions[frame, trajectory])
