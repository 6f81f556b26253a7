"""A damaged heap of texts, which HDF5 follows without an end, is refused before HDF5 sees it."""

import io
import struct

import h5py
import numpy as np
import pytest

from nadyn.checks import hdf5_heaps
from nadyn.checks.errors import InputError
from nadyn.checks.hdf5 import check_self_contained


def heap_file(path):
    """Write a file with texts before and after an array, and return its content and where its heaps begin."""
    with h5py.File(path, "w", libver=("v110", "v110")) as file:
        file.attrs["first"] = "a text of variable length"
        file["numbers"] = np.frombuffer(b"GCOL" * 1000, dtype="u1")
        file["numbers"].attrs["unit"], file["numbers"].attrs["note"] = "x" * 3900, "y" * 3000
    content = path.read_bytes()
    heaps = [at for at in range(len(content)) if content.startswith(b"GCOL\x01\0\0\0", at)]
    assert len(heaps) == 2
    return content, heaps


def free_room(content, heap):
    """Return where the head of the free room of a heap lies."""
    end, place = heap + struct.unpack_from("<Q", content, heap + 8)[0], heap + 16
    while place + 16 <= end:
        index, _, _, n_bytes = struct.unpack_from("<HHIQ", content, place)
        if index == 0:
            return place
        place += 16 + 8 * ((n_bytes + 7) // 8)
    raise AssertionError("it has none")


@pytest.mark.parametrize("small", [1 << 26, 0])
@pytest.mark.parametrize("which", [0, 1])
def test_a_heap_without_an_end_is_refused(tmp_path, monkeypatch, which, small):
    monkeypatch.setattr(hdf5_heaps, "_SMALL", small)
    content, heaps = heap_file(tmp_path / "whole.h5")
    with h5py.File(tmp_path / "whole.h5") as file:
        check_self_contained(file)
    place = free_room(content, heaps[which])
    # HDF5 adds the length to its place until it is at the end.
    damaged = bytearray(content)
    damaged[place + 8 : place + 16] = bytes(8)
    (tmp_path / "damaged.h5").write_bytes(damaged)
    for opened in (tmp_path / "damaged.h5", io.BytesIO(bytes(damaged))):
        with h5py.File(opened) as file, pytest.raises(InputError, match="its texts were damaged"):
            check_self_contained(file)


def test_numbers_that_look_like_a_heap_are_not_looked_at_in_a_large_file(tmp_path, monkeypatch):
    monkeypatch.setattr(hdf5_heaps, "_SMALL", 0)
    heap = b"GCOL\x01\0\0\0" + struct.pack("<QHHIQ", 4096, 0, 0, 0, 0)
    with h5py.File(tmp_path / "numbers.h5", "w") as file:
        file["numbers"] = np.frombuffer(heap, dtype="u1")
    with h5py.File(tmp_path / "numbers.h5") as file:
        check_self_contained(file)
