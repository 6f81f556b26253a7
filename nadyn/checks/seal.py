"""A line at the end of an HDF5 file with the sha256 of all before it, which HDF5 does not look at.

Damage is found before HDF5 reads a byte of it, which may not come to an end on a damaged file. Whoever edits
the file with HDF5 takes the line away, and no more is said than that there is none.
"""

import hashlib
from pathlib import Path

from nadyn.checks.errors import InputError

_BEFORE = b"\nnadyn-sha256 "
_LENGTH = len(_BEFORE) + 64 + 1
_CHUNK = 1 << 22
_SIGNATURE, _SUPERBLOCK = b"\x89HDF\r\n\x1a\n", 48


def sealed(content: bytes | memoryview) -> bytes:
    """Return the content of a file with the line at its end."""
    return b"".join((content, _BEFORE, hashlib.sha256(content).hexdigest().encode(), b"\n"))


def check_seal(path: Path) -> bool:
    """Return whether a file has the line, and the line is right.

    Raises:
        InputError: It has one that is wrong.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        end = _end_of_hdf5(file.read(_SUPERBLOCK))
        if end is None or size <= end:
            return False
        if size != end + _LENGTH:
            raise InputError(_DAMAGED)
        file.seek(end)
        line = file.read()
        file.seek(0)
        hasher, left = hashlib.sha256(), size - _LENGTH
        while left > 0 and (piece := file.read(min(_CHUNK, left))):
            hasher.update(piece)
            left -= len(piece)
    if not line.startswith(_BEFORE) or line[len(_BEFORE) : -1] != hasher.hexdigest().encode():
        raise InputError(_DAMAGED)
    return True


def _end_of_hdf5(start: bytes) -> int | None:
    """Return where a file ends for HDF5, by its superblock; None where that is none of ours."""
    if start[:8] != _SIGNATURE or len(start) < _SUPERBLOCK or start[8] not in (2, 3):
        return None
    return int.from_bytes(start[28:36], "little")


_DAMAGED = (
    "the file must match the sha256 at its end, but does not: it was changed or damaged. Copy it again."
)
