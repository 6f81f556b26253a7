"""Random numbers that untrained weights are drawn from."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

# torch's layers draw from one generator of the whole process.
_ONE_AT_A_TIME = threading.RLock()


@contextmanager
def starting_weights(seed: int) -> Iterator[None]:
    """Let layers that are made inside draw from a seed of their own; torch's generator is then as before.

    Threads take turns, so that networks made side by side are those made one after the other.
    """
    with _ONE_AT_A_TIME, torch.random.fork_rng():
        torch.manual_seed(seed)
        yield
