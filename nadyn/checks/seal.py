"""A line at the end of an HDF5 file with the sha256 of all before it, which HDF5 does not look at.

Damage is found before HDF5 reads a byte of it, which may not come to an end on a damaged file. Whoever edits
the file with HDF5 takes the line away, and no more is said than that there is none.
"""

import hashlib
from pathlib import Path

from nadyn.checks.errors import InputError

_WORD = b"nadyn-sha256"
_BEFORE = b"\n" + _WORD + b" "
_LENGTH = len(_BEFORE) + 64 + 1
_CHUNK, _LOOKED_AT = 1 << 22, 8192


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
        file.seek(max(0, size - _LOOKED_AT))
        end = file.read()
        line = end[-_LENGTH:]
        if not line.startswith(_BEFORE):
            if _WORD in end:
                raise InputError(_DAMAGED)
            return False
        file.seek(0)
        hasher, left = hashlib.sha256(), size - _LENGTH
        while left > 0 and (piece := file.read(min(_CHUNK, left))):
            hasher.update(piece)
            left -= len(piece)
    if line[len(_BEFORE) : -1] != hasher.hexdigest().encode():
        raise InputError(_DAMAGED)
    return True


_DAMAGED = (
    "the file must match the sha256 at its end, but does not: it was changed or damaged. Copy it again."
)
