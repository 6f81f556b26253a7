"""Heaps of texts in an HDF5 file, which HDF5 itself follows without an end where they were damaged."""

import mmap
import struct
from collections.abc import Iterable

# Global heap collections of HDF5 (file format specification, III.E): signature and version, the size of
# all, and objects one after the other: index, references, reserved, and how many bytes follow. The last of
# them, of index 0, is the free room, and counts its own head too.
_START = b"GCOL\x01\x00\x00\x00"
_SIZE, _OBJECT = struct.Struct("<Q"), struct.Struct("<HHIQ")
_FIRST = len(_START) + _SIZE.size
# Smaller files are looked through as a whole, arrays and all.
_SMALL = 1 << 26


def heaps_have_ends(content: bytes | mmap.mmap, arrays: Iterable[tuple[int, int]]) -> bool:
    """Return whether whoever follows the objects of a heap comes to its end, in every heap of a file.

    HDF5 does not where the free room is said to have no bytes, and never comes back.

    Args:
        content: That of the file.
        arrays: Where arrays begin and end in it, beside which heaps lie [bytes].
    """
    begin = 0
    beside = [] if len(content) <= _SMALL else sorted(arrays)
    for start, stop in (*beside, (len(content), len(content))):
        while (at := content.find(_START, begin, max(begin, start))) >= 0:
            if not _has_end(content, at):
                return False
            begin = at + len(_START)
        begin = max(begin, stop)
    return True


def _has_end(content: bytes | mmap.mmap, at: int) -> bool:
    if at + _FIRST > len(content):
        return True
    end = min(len(content), at + _SIZE.unpack_from(content, at + len(_START))[0])
    place = at + _FIRST
    while place + _OBJECT.size <= end:
        index, _, _, n_bytes = _OBJECT.unpack_from(content, place)
        step = _OBJECT.size + 8 * ((n_bytes + 7) // 8) if index else n_bytes
        if step == 0:
            return False
        place += step
    return True
