"""Kernels are compiled in memory: without a home, a cache or a place for files, and by several at once."""

import os
import warnings

import pytest
import torch
from contracts.untrained import untrained

from nadyn.electronic.surfaces import active_surface
from nadyn.models.kernels import compiled

POSITIONS = torch.tensor([[[0.0, 0, 0], [2, 0, 0.3], [0, 2.4, 0], [0.2, 0, 2.1]]], dtype=torch.float64)


def answer() -> bytes:
    """What a process that has compiled nothing yet says of one geometry."""
    compiled.kernel.cache_clear()
    model = untrained("moments", "1x0e + 1x1o", atomic_numbers=(7, 1, 9, 1))
    assert model.fast_path.refusal is None
    found = active_surface(model, POSITIONS, torch.zeros(1, dtype=torch.int64))
    assert model.rows_at_once is not None
    return torch.cat([found.energies.flatten(), found.force.flatten()]).numpy().tobytes()


def begun(place: str) -> tuple[int, int]:
    """Begin a process whose folders are all at one place; return its number and where it answers."""
    reads, writes = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads; there are none
        number = os.fork()
    if number:
        os.close(writes)
        return number, reads
    try:
        for name in ("HOME", "XDG_CACHE_HOME", "TMPDIR", "NUMBA_CACHE_DIR"):
            os.environ[name] = place
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            os.write(writes, answer())
    finally:
        os._exit(0)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked here")
@pytest.mark.skipif(compiled.host().refusal is not None, reason="no machine code for this processor")
def test_two_processes_without_a_folder_to_write_in_say_what_one_says(tmp_path):
    expected = answer()
    # A file is in the place of the folders: even root cannot write into it.
    file = tmp_path / "file"
    file.touch()
    children = [begun(str(file)), begun("/nonexistent/folder")]
    for number, reads in children:
        with os.fdopen(reads, "rb") as pipe:
            assert pipe.read() == expected
        assert os.waitpid(number, 0)[1] == 0
