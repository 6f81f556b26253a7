"""Processes that train together, as threads of this one."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import torch
from torch import Tensor

from nadyn.training.ranks import Ranks


class Board:
    """Where all threads write something down, and then read what the others wrote."""

    def __init__(self, size: int) -> None:
        self.barrier = threading.Barrier(size, timeout=60)
        self.written: dict[int, Tensor] = {}

    def exchange(self, rank: int, tensor: Tensor) -> list[Tensor]:
        self.written[rank] = tensor.detach().clone()
        self.barrier.wait()
        found = [self.written[one] for one in sorted(self.written)]
        self.barrier.wait()
        return found


@dataclass(frozen=True)
class ThreadRanks(Ranks):
    board: Board = field(default_factory=lambda: Board(1))

    def _broadcast(self, tensor: Tensor) -> None:
        tensor.copy_(self.board.exchange(self.rank, tensor)[0])

    def _add(self, tensor: Tensor) -> None:
        tensor.copy_(torch.stack(self.board.exchange(self.rank, tensor)).sum(dim=0))

    def _gather(self, tensor: Tensor) -> list[Tensor]:
        return self.board.exchange(self.rank, tensor)


def in_threads(size: int, function: Callable[[Ranks], object]) -> list[object]:
    """Return what a function gives in each of several threads that are the processes of a training."""
    board = Board(size)

    def call(rank: int) -> object:
        try:
            return function(ThreadRanks(rank, size, board))
        except BaseException:
            board.barrier.abort()
            raise

    with ThreadPoolExecutor(size) as pool:
        futures = [pool.submit(call, rank) for rank in range(size)]
        errors = [one.exception() for one in futures]
    real = [one for one in errors if one and not isinstance(one, threading.BrokenBarrierError)]
    if real or any(errors):
        raise (real or errors)[0]
    return [one.result() for one in futures]
