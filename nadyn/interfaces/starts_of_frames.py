"""Starts from frames of an MD run, which knows no harmonic oscillators: soft molecules and warm ones."""

from pathlib import Path

import numpy as np
from jaxtyping import Int

from nadyn.checks.counts import counted
from nadyn.checks.errors import InputError
from nadyn.data.hdf5_outline import hdf5_format
from nadyn.data.moving_frames import read_moving_frames
from nadyn.trajectory import open_run
from nadyn.trajectory.initial_conditions import InitialConditions

_RUN = "nadyn-trajectories"
_OF_ASE = (".traj", ".xyz", ".extxyz")


def holds_frames(path: Path) -> bool:
    """Tell whether a file is a run, or has an ending of frames that ASE reads."""
    if not path.is_file():
        return False
    return path.suffix.lower() in _OF_ASE or hdf5_format(path) == _RUN


def starts_of_frames(path: Path, *, n: int, skip: int = 0, state: int | None = None) -> InitialConditions:
    """Return starts at evenly chosen frames of a run, or of a file of frames with momenta.

    They are the geometries and momenta of these frames as they are, net momentum included.

    Args:
        path: A trajectory file, or one that ASE reads.
        n: How many.
        skip: So many frames at the beginning of each trajectory are left out, in which it comes to its
            temperature.
        state: State to start on; without it that of the frame of a run, and of another file the lowest.

    Raises:
        InputError: It cannot be read, has a cell, or fewer frames.
    """
    if path.suffix.lower() in _OF_ASE:
        frames = read_moving_frames(path)
        chosen = _evenly(np.arange(skip, len(frames.positions)), n, path, skip=skip)
        numbers, masses = frames.atomic_numbers, frames.masses
        positions, momenta, states = frames.positions[chosen], frames.momenta[chosen], None
        state = 0 if state is None else state
    else:
        run = open_run(path)
        if run.cell is not None:
            raise InputError(f"run {str(path)!r} must be of a molecule without a cell, but has one.")
        traj, frame = np.nonzero(run.alive()[skip:].T)
        chosen = _evenly(np.arange(len(traj)), n, path, skip=skip)
        place = frame[chosen] + skip, traj[chosen]
        numbers, masses = run.atomic_numbers, run.masses
        positions, momenta = np.array(run.positions[place]), np.array(run.momenta[place])
        states = np.array(run.active_state[place], dtype=np.int64) if state is None else None
    words = f"{counted(n, 'frame')} of {path.name}" + f", the first {skip} left out" * (skip > 0)
    return InitialConditions(
        positions=positions.astype(np.float64),
        momenta=momenta.astype(np.float64),
        weight=np.ones(n),
        masses=masses,
        atomic_numbers=numbers,
        state=state if states is None else None,
        diabatic_state=None,
        origin=words,
        temperature_kelvin=None,
        states=states,
    )


def _evenly(frames: Int[np.ndarray, "frame"], n: int, path: Path, *, skip: int) -> Int[np.ndarray, "chosen"]:
    if len(frames) < n:
        after, options = (f" after the first {skip}", "`--n` or `--skip`") if skip else ("", "`--n`")
        raise InputError(
            f"frames of {str(path)!r}{after} must be {n} at least, but there are {len(frames)}. Choose a "
            f"smaller {options}."
        )
    return frames[np.linspace(0, len(frames) - 1, n).round().astype(int)]
