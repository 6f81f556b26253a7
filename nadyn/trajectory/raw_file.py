"""Bytes inside the datasets of a closed HDF5 file, read and written in place.

The place of a contiguous dataset in its file never changes, so HDF5 is asked once for all offsets and the
file is then written with plain `pwrite`. What a killed process has written stays in the page cache, in order;
metadata are never touched, so no kill can make the file unreadable, and readers may open it at any time.
"""

import errno
import fcntl
import math
import os
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from nadyn.checks.damaged import DAMAGED
from nadyn.checks.errors import InputError, RunError
from nadyn.checks.files import check_file
from nadyn.checks.hdf5 import check_self_contained
from nadyn.checks.kinds import Kind, kind_of
from nadyn.checks.output import telling_why

KEPT = "What was committed is kept: make room on the disk and continue with --resume."


@dataclass(frozen=True)
class Place:
    """Where a dataset lies in its file."""

    offset: int
    dtype: np.dtype
    shape: tuple[int, ...]

    @property
    def row_bytes(self) -> int:
        """Bytes of one entry of the first axis, or of all where there is no axis."""
        return math.prod(self.shape[1:]) * self.dtype.itemsize

    @property
    def n_bytes(self) -> int:
        """Bytes of the whole dataset."""
        return math.prod(self.shape) * self.dtype.itemsize


class RawFile:
    """The datasets of one file by name, for reading and writing rows in place."""

    def __init__(self, path: Path, *, writable: bool = True) -> None:
        """Look up every dataset of `path` and open it, for writing by this process alone if `writable`.

        Raises:
            InputError: The file cannot be opened, or another process is writing it.
        """
        self._path = path
        self.places = _find_places(path)
        self._descriptor = os.open(path, os.O_RDWR if writable else os.O_RDONLY)
        if writable:
            _lock(self._descriptor, path)

    def write_rows(self, name: str, first: int, rows: np.ndarray) -> None:
        """Overwrite rows from `first` on.

        Raises:
            RunError: The disk is full or failed.
        """
        place = self.places[name]
        data = memoryview(np.ascontiguousarray(rows, dtype=place.dtype)).cast("B") if rows.size else b""
        if first * place.row_bytes + len(data) > place.n_bytes:
            raise IndexError(f"{name} has {place.shape[0]} rows; row {first} and on do not fit")
        self._write(place.offset + first * place.row_bytes, data)

    def write_all(self, name: str, array: np.ndarray) -> None:
        """Overwrite a whole dataset of any shape."""
        place = self.places[name]
        data = np.ascontiguousarray(array, dtype=place.dtype).tobytes()
        if len(data) != place.n_bytes:
            raise IndexError(f"{name} has shape {place.shape}, not {np.shape(array)}")
        self._write(place.offset, data)

    def read_rows(self, name: str, first: int, stop: int) -> np.ndarray:
        """Return a copy of the rows from `first` up to `stop`."""
        place = self.places[name]
        data = self._read(place.offset + first * place.row_bytes, max(stop - first, 0) * place.row_bytes)
        return np.frombuffer(data, dtype=place.dtype).reshape(max(stop - first, 0), *place.shape[1:]).copy()

    def read_all(self, name: str) -> np.ndarray:
        """Return a copy of a whole dataset."""
        place = self.places[name]
        return (
            np.frombuffer(self._read(place.offset, place.n_bytes), dtype=place.dtype)
            .reshape(place.shape)
            .copy()
        )

    def copy_to(self, other: "RawFile", *, chunk: int = 1 << 24) -> None:
        """Copy the bytes of every dataset into the dataset of the same name, which may be longer."""
        for name, place in self.places.items():
            target = other.places[name]
            for start in range(0, place.n_bytes, chunk):
                data = self._read(place.offset + start, min(chunk, place.n_bytes - start))
                other._write(target.offset + start, data)

    def sync(self) -> None:
        """Return when what was written is on the disk, where a loss of power does not reach it.

        Raises:
            RunError: The disk failed.
        """
        with telling_why(self._path, advice=KEPT):
            os.fdatasync(self._descriptor) if hasattr(os, "fdatasync") else os.fsync(self._descriptor)

    def close(self) -> None:
        """Give the file back; closing again does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _write(self, offset: int, data: bytes | memoryview) -> None:
        done = 0
        with telling_why(self._path, advice=KEPT):
            while done < len(data):
                done += os.pwrite(self._descriptor, data[done:], offset + done)

    def _read(self, offset: int, length: int) -> bytes:
        pieces, done = [], 0
        while done < length:
            piece = os.pread(self._descriptor, length - done, offset + done)
            if not piece:
                raise InputError(
                    "the trajectory file must be complete, but ends early. It was cut by something else."
                )
            pieces.append(piece)
            done += len(piece)
        return b"".join(pieces)


def refuse_if_being_written(path: Path) -> None:
    """Do nothing for a file that no run is writing.

    Raises:
        InputError: A run is writing it.
    """
    descriptor = os.open(path, os.O_RDWR)
    _lock(descriptor, path)
    os.close(descriptor)


def open_hdf5(path: str | Path) -> h5py.File:
    """Open a file for reading, without a lock: a run may be writing into it, and some disks know no locks.

    Where this process has the file open already, HDF5 wants it opened in the same way again.

    Raises:
        InputError: The file is missing or not readable as HDF5.
    """
    path = Path(path)
    check_file(path, f"file {str(path)!r}")
    problem = None
    for locking in (False, None, True):
        try:
            file = h5py.File(path, "r", locking=locking)
        except OSError as error:
            problem = error
            if "locking" not in str(error):
                break
            continue
        try:
            with telling_of_damage(path):
                check_self_contained(file, f"file {str(path)!r}")
        except InputError:
            file.close()
            raise
        return file
    if (kind := kind_of(path)) is not Kind.HDF5:
        raise InputError(f"file {str(path)!r} must be an HDF5 file, but is {kind.value}.") from problem
    raise InputError(
        f"file {str(path)!r} must be an HDF5 file, but cannot be opened as one. It was cut short or damaged; "
        "try a complete copy."
    ) from problem


@contextmanager
def telling_of_damage(path: Path) -> Iterator[None]:
    """Turn what HDF5, JSON and arrays say of a damaged file inside the block into one sentence.

    Raises:
        InputError: The file is damaged.
    """
    try:
        yield
    except (InputError, RunError):
        raise
    except DAMAGED as error:
        raise InputError(
            f"file {str(path)!r} must be whole, but was damaged after it was written. Try another copy of it."
        ) from error


def _find_places(path: Path) -> Mapping[str, Place]:
    places: dict[str, Place] = {}

    def visit(name: str, item: h5py.Dataset | h5py.Group) -> None:
        if isinstance(item, h5py.Dataset) and item.size:
            places[name] = Place(item.id.get_offset(), item.dtype, item.shape)
        elif isinstance(item, h5py.Dataset):
            places[name] = Place(0, item.dtype, item.shape)

    with telling_of_damage(path), open_hdf5(path) as file:
        file.visititems(visit)
    return places


def locked(descriptor: int) -> bool | None:
    """Lock an open file and return whether that went well: not where another has it; None without locks."""
    # An open-file-description lock: it dies with the process, and no reader's close() takes it away.
    command = getattr(fcntl, "F_OFD_SETLK", None)
    if command is None:
        return None
    whole_file = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    try:
        fcntl.fcntl(descriptor, command, whole_file)
    except OSError as error:
        return False if error.errno in (errno.EACCES, errno.EAGAIN) else None
    return True


def _lock(descriptor: int, path: Path) -> None:
    # On a disk without locks it goes on without.
    if locked(descriptor) is False:
        os.close(descriptor)
        raise being_written(path)


def being_written(path: Path) -> InputError:
    """Return the error of a file that somebody else is writing."""
    return InputError(
        f"file {str(path)!r} must have one writer, but another run is writing it now. "
        "Wait for that run, or choose another `output`."
    )
