"""How many threads an operation may use."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def threads(number: int) -> Iterator[None]:
    """Let operations inside the block use this many threads, and restore the number afterwards.

    The arrays of a block of trajectories are small: a second thread gains little on an idle machine, and on
    a busy one the threads wait for each other (measured: 50 times slower with two threads at load 5).
    """
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
