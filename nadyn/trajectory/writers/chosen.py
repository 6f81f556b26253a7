"""Which geometries of a run are taken: all frames, those at hops, the last ones, or those that stopped it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from nadyn.checks.errors import InputError
from nadyn.trajectory.reader import Run, open_run
from nadyn.trajectory.trajectories import Trajectories, trajectories_of
from nadyn.trajectory.writers.displaced import Displaced

KINDS = ("all", "hops", "ends", "stops")


@dataclass(frozen=True)
class Geometry:
    """One geometry of a trajectory.

    Attributes:
        traj: Number of the trajectory.
        time_fs: Of the frame [fs]; NaN for one that stopped a trajectory, which is behind its last frame.
        state: Active state.
        positions: [bohr].
        momenta: [electron_mass*bohr/au_time].
        energies: Of all states [hartree].
        words: What else is to be said, by name.
        cell: Cell vectors as rows [bohr], of the last frame for what stopped a trajectory; None without one.
    """

    traj: int
    time_fs: float
    state: int
    positions: Float[np.ndarray, "atom x"]
    momenta: Float[np.ndarray, "atom x"]
    energies: Float[np.ndarray, "state"]
    words: dict[str, str]
    cell: Float[np.ndarray, "3 3"] | None = None


def as_run(path: str | Path | Run) -> Run:
    """Return a run: an open one as it is, or that of a file.

    Raises:
        InputError: The file is no trajectory file.
    """
    return path if isinstance(path, Run) else open_run(path)


def chosen_trajectories(
    path: str | Path | Run, trajectories: Sequence[int] | None, molecule: Displaced | None = None
) -> tuple[Trajectories, list[int]]:
    """Return a run of a molecule, and the numbers of the trajectories that are asked for, or of all.

    Args:
        path: A trajectory file, or an open run, such as several as one.
        trajectories: Numbers of those that are wanted; all if None.
        molecule: What the coordinates of a run mean that is of no atoms.

    Raises:
        InputError: The file is no trajectory file, holds no molecule, or a trajectory does not exist.
    """
    opened = as_run(path)
    path, run = opened.path, trajectories_of(opened)
    if molecule is not None:
        run = molecule.of_atoms(run)
    if run.atomic_numbers is None:
        raise InputError(f"run {str(path)!r} must be of a molecule, but is of generalised coordinates.")
    wanted = list(range(run.n_trajectories)) if trajectories is None else list(trajectories)
    for traj in wanted:
        if not 0 <= traj < run.n_trajectories:
            raise InputError(
                f"`--trajectories` must be from 0 to {run.n_trajectories - 1} in {str(path)!r}, but one "
                f"is {traj}."
            )
    return run, wanted


def geometries(
    path: str | Path | Run,
    kind: str,
    trajectories: Sequence[int] | None = None,
    molecule: Displaced | None = None,
) -> list[Geometry]:
    """Return geometries of a run, trajectory by trajectory.

    At a hop the frame is the last one that was written not after it, and `hop_fs` says when it was.

    Args:
        path: A trajectory file of a molecule, or an open run.
        kind: `all` frames, those at accepted `hops`, the `ends` of trajectories (products), or the `stops`,
            the geometries for which trajectories were stopped.
        trajectories: Numbers of those that are wanted; all if None.
        molecule: What the coordinates of a run mean that is of no atoms.

    Raises:
        InputError: As `chosen_trajectories`, the kind is none of these, or there is no such geometry.
    """
    if kind not in KINDS:
        raise InputError(f"`--geometries` must be {', '.join(KINDS[:-1])} or {KINDS[-1]}, but is {kind!r}.")
    opened = as_run(path)
    path = opened.path
    run, wanted = chosen_trajectories(opened, trajectories, molecule)
    if kind == "stops":
        found = _stops(opened, run, wanted, molecule)
    else:
        found = [one for traj in wanted for one in _of_trajectory(run, traj, kind)]
    if not found:
        raise InputError(f"run {str(path)!r} must have geometries of the kind {kind!r}, but has none.")
    return found


def _of_trajectory(run: Trajectories, traj: int, kind: str) -> list[Geometry]:
    frames = np.flatnonzero(run.alive[:, traj])
    if kind == "all":
        return [_at(run, traj, int(frame), {}) for frame in frames]
    if kind == "ends":
        return [_at(run, traj, int(frames[-1]), {"status": run.status[traj]})] if len(frames) else []
    made = (run.hops["traj"] == traj) & run.hops["accepted"]
    made &= run.hops["time_fs"] <= run.end_fs[traj] + 1e-9
    found = []
    for time, start, end in zip(
        *(run.hops[name][made] for name in ("time_fs", "from_state", "to_state")), strict=True
    ):
        before = frames[run.time_fs[frames] <= time + 1e-9]
        words = {"hop_fs": f"{time:.6g}", "hop": f"{start}-{end}"}
        found += [_at(run, traj, int(before[-1]), words)] * bool(len(before))
    return found


def _at(run: Trajectories, traj: int, frame: int, words: dict[str, str]) -> Geometry:
    return Geometry(
        traj=traj,
        time_fs=float(run.time_fs[frame]),
        state=int(run.active_state[frame, traj]),
        positions=run.positions[frame, traj],
        momenta=run.momenta[frame, traj],
        energies=run.energies[frame, traj],
        words=words,
        cell=None if run.cell is None else run.cell[frame, traj],
    )


def _stops(
    opened: Run, run: Trajectories, wanted: Sequence[int], molecule: Displaced | None = None
) -> list[Geometry]:
    path, stops = opened.path, opened.stops
    if "positions" not in stops:
        raise InputError(
            f"run {str(path)!r} must hold the geometries that stopped it, but is of an older version."
        )
    positions, momenta = stops["positions"], stops["momenta"]
    if molecule is not None:
        positions, momenta = molecule.positions(positions), molecule.momenta(momenta)
    return [
        Geometry(
            traj=traj,
            time_fs=float("nan"),
            state=int(stops["active_state"][traj]),
            positions=positions[traj],
            momenta=momenta[traj],
            energies=stops["energies"][traj],
            words={"status": run.status[traj], "after_fs": f"{run.end_fs[traj]:.6g}"},
            cell=None if run.cell is None else run.cell[np.flatnonzero(run.alive[:, traj])[-1], traj],
        )
        for traj in wanted
        if np.isfinite(positions[traj]).all()
    ]
