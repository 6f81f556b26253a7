"""Whether the bytes of a trajectory file are those that were written."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np

from nadyn.checks.errors import InputError
from nadyn.trajectory import checkpoint as slots
from nadyn.trajectory.layout import CHECKSUM, FRAME_ARRAYS, FRAME_CHECKSUMS, fixed_checksum, frame_times
from nadyn.trajectory.raw_file import Place, RawFile


def frame_names(places: Mapping[str, Place]) -> list[str]:
    """Return the datasets of a file with one row a frame, in the order of their checksum."""
    return [name for name in FRAME_ARRAYS if name in places]


def damaged_frames(source: RawFile, n_frames: int) -> list[int]:
    """Return those of the first frames whose bytes do not have the checksum that was stored with them."""
    names = frame_names(source.places)
    damaged = []
    for frame in range(n_frames):
        checksum = slots.frame_checksum(source.read_rows(name, frame, frame + 1) for name in names)
        if checksum != source.read_rows(FRAME_CHECKSUMS, frame, frame + 1).tobytes():
            damaged.append(frame)
    return damaged


def damaged_in(path: Path, n_frames: int) -> tuple[int, ...]:
    """Return the damaged ones of the first frames of a file; a file that did not change is read once."""
    stat = path.stat()
    return _damaged_once(path, stat.st_mtime_ns, stat.st_size, n_frames)


def check_fixed(path: Path, source: RawFile, attributes: Mapping[str, object]) -> None:
    """Refuse arrays that are not those that were written when the file was made."""
    if CHECKSUM not in attributes:
        return
    numbers = source.read_all("atomic_numbers") if "atomic_numbers" in source.places else None
    found = fixed_checksum(attributes, source.read_all("masses"), source.read_all("weight"), numbers)
    time = source.read_all("time")
    every, dt = int(attributes["write_every"]), float(attributes["dt_au"])
    if found != attributes[CHECKSUM] or not np.array_equal(
        time, frame_times(len(time), write_every=every, dt_au=dt)
    ):
        raise InputError(
            f"file {str(path)!r} must have the attributes, masses, weights, elements and times of its "
            "checksum, but has others: it was damaged after it was written. Try another copy of it."
        )


@lru_cache(maxsize=4096)
def _damaged_once(path: Path, changed: int, size: int, n_frames: int) -> tuple[int, ...]:
    source = RawFile(path, writable=False)
    try:
        return tuple(damaged_frames(source, n_frames))
    finally:
        source.close()
