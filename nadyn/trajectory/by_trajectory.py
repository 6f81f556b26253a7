"""One number that a run and its parts share: a digest over trajectories, one after the other.

The digest of a file covers its arrays as they lie there, frame by frame, so that two halves of a run have
nothing of it in common. Here each trajectory is covered by itself, in the order of their numbers.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from nadyn.checks.errors import InputError
from nadyn.trajectory.checkpoint import newest_first, state_names
from nadyn.trajectory.digest import EXCLUDED_ATTRIBUTES
from nadyn.trajectory.layout import FRAME_ARRAYS
from nadyn.trajectory.raw_file import RawFile
from nadyn.trajectory.reader import Run, open_run

# What a part says of itself, which trajectories it holds; and files of starts, which the first frame has.
_OF_A_PART = {"n", "first", "file", "run", "geometry", "structure"}
# What was noticed among the trajectories of a part; and names of the model, which `model_digest` has.
_NOT_COVERED = {"warnings", "model_name"}
# Labels of a source for direct dynamics are packed for a whole batch, not one a trajectory.
_PACKED = "label_places"
_BLOCK_BYTES = 1 << 24


def digest_by_trajectory(paths: Sequence[str | Path]) -> str:
    """Return a sha256 over all trajectories of a run that is in one file, or in several as parts.

    Covered are attributes without host, date, timings, notices, names of files and what tells a part from the
    whole; times, masses and elements; then of each trajectory its weight, ending, frames, hops,
    and what it would go on from. A block of trajectories is in memory at a time.

    Args:
        paths: The parts in the order of their trajectories, or one file.

    Raises:
        InputError: A file is no trajectory file, still under way, not of the same run, or not the next part.
    """
    hasher, header, number = hashlib.sha256(), None, None
    for path in paths:
        run = open_run(path)
        if not run.timings:
            raise InputError(
                f"run {str(path)!r} must be complete to have a digest of its trajectories, but is at step "
                f"{run.step} of {run.attributes['n_steps']}. Go on with it first."
            )
        found = _header(run)
        if header is None:
            header = found
            hasher.update(header)
        begin = int((run.config.get("initial") or {}).get("first") or 0)
        if found != header or begin != (begin if number is None else number):
            raise InputError(
                f"run {str(path)!r} must be the next part of the run that {str(paths[0])!r} begins, but is "
                "not. Name the parts of one run in their order."
            )
        number = begin + run.n_trajectories
        for content in _trajectories(run):
            hasher.update(content)
    return hasher.hexdigest()


def _header(run: Run) -> bytes:
    attributes = {
        key: value for key, value in run.attributes.items() if key not in EXCLUDED_ATTRIBUTES | _NOT_COVERED
    }
    config = json.loads(str(attributes.pop("config")))
    config.pop("model", None)
    initial = config.get("initial") or {}
    config["initial"] = {key: value for key, value in initial.items() if key not in _OF_A_PART}
    known = json.dumps({**attributes, "config": config}, sort_keys=True, default=str).encode()
    numbers = b"" if run.atomic_numbers is None else np.asarray(run.atomic_numbers, "<i8").tobytes()
    return hashlib.sha256(known + run.time_fs.tobytes() + run.masses.tobytes() + numbers).digest()


def _trajectories(run: Run) -> Iterator[bytes]:
    """Yield the sha256 of each trajectory."""
    names = [name for name in FRAME_ARRAYS if getattr(run, name) is not None]
    a_trajectory = sum(getattr(run, name)[:, :1].nbytes for name in names)
    width = max(1, _BLOCK_BYTES // max(a_trajectory, 1))
    state = _state(run)
    order = np.argsort(run.hops["traj"], kind="stable")
    ends = np.searchsorted(run.hops["traj"][order], np.arange(run.n_trajectories + 1))
    columns = {name: column[order] for name, column in sorted(run.hops.items()) if name != "traj"}
    for start in range(0, run.n_trajectories, width):
        rows = slice(start, min(start + width, run.n_trajectories))
        frames = {name: np.moveaxis(np.asarray(getattr(run, name)[:, rows]), 1, 0) for name in names}
        for row in range(rows.start, rows.stop):
            hasher = hashlib.sha256(np.float64(run.weight[row]).tobytes())
            for name, array in frames.items():
                _add(hasher, name, array[row - rows.start])
            for name, array in state.items():
                _add(hasher, name, array[row])
            for name, column in columns.items():
                _add(hasher, f"hops/{name}", column[ends[row] : ends[row + 1]])
            yield hasher.digest()


def _state(run: Run) -> dict[str, np.ndarray]:
    """Return what each trajectory would go on from, by name."""
    source = RawFile(run.path, writable=False)
    try:
        newest = newest_first(source)[0].state
        names = [name for name in state_names(source.places) if not name.startswith(_PACKED)]
    finally:
        source.close()
    return {name: newest[name] for name in names}


def _add(hasher: "hashlib._Hash", name: str, array: np.ndarray) -> None:
    array = np.ascontiguousarray(array)
    hasher.update(f"{name}\0{array.dtype.str}\0{array.shape}\0".encode() + array.tobytes())
