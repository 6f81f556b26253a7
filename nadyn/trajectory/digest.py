"""One number that two HDF5 files share exactly when their contents are equal."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import h5py
import numpy as np

from nadyn.trajectory.layout import CHECKSUM
from nadyn.trajectory.raw_file import open_hdf5

EXCLUDED = frozenset({"host", "date", "timings", "config_outside_digest", "evaluation"})
# Follows from the arrays, and older files have none.
EXCLUDED_ATTRIBUTES = EXCLUDED | {CHECKSUM}


def digest(path: str | Path, *, chunk_bytes: int = 1 << 24) -> str:
    """Return a sha256 over all arrays and attributes except those in `EXCLUDED`.

    Covered are, in sorted order of paths, each dataset's path, dtype, shape and bytes, and each attribute's
    owner, name, kind, shape and value. How the file stores them (layout, order, compression) does not matter.

    Args:
        path: Any HDF5 file.
        chunk_bytes: Large datasets are read in pieces of about this size.

    Raises:
        InputError: The file is missing or not HDF5.
    """
    hasher = hashlib.sha256()
    with open_hdf5(path) as file:
        items: dict[str, h5py.Dataset | h5py.Group] = {"": file}
        file.visititems(lambda name, item: items.__setitem__(name, item))
        for name in sorted(items):
            if name.rpartition("/")[2] in EXCLUDED:
                continue
            item = items[name]
            for key in sorted(set(item.attrs) - EXCLUDED_ATTRIBUTES):
                hasher.update(f"attribute\0{name}\0{key}\0".encode())
                _add(hasher, np.asarray(item.attrs[key]))
            if isinstance(item, h5py.Dataset):
                hasher.update(f"dataset\0{name}\0{item.dtype}\0{item.shape}\0".encode())
                for piece in _pieces(item, chunk_bytes):
                    _add_values(hasher, piece)
    return hasher.hexdigest()


def _pieces(item: h5py.Dataset, chunk_bytes: int) -> Iterable[np.ndarray]:
    if item.shape is None:
        return []
    if item.shape == ():
        return [np.asarray(item[()])]
    row_bytes = max(1, item.dtype.itemsize * int(np.prod(item.shape[1:])))
    rows = max(1, chunk_bytes // row_bytes)
    return (item[start : start + rows] for start in range(0, item.shape[0], rows))


def _add(hasher: "hashlib._Hash", value: np.ndarray) -> None:
    hasher.update(f"{value.dtype.kind}\0{value.shape}\0".encode())
    _add_values(hasher, value)


def _add_values(hasher: "hashlib._Hash", value: np.ndarray) -> None:
    if value.dtype.kind not in "OU":
        hasher.update(np.ascontiguousarray(value).tobytes())
        return
    for text in value.ravel().tolist():
        data = text if isinstance(text, bytes) else str(text).encode()
        hasher.update(len(data).to_bytes(8, "little") + data)
