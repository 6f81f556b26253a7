"""Processes of one machine that train together by memory that they share.

Through the network interface of the machine itself (gloo) the gradient of 300,000 weights took a quarter of a
step; here it takes what copying takes.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.shared_memory import SharedMemory
from multiprocessing.synchronize import Semaphore

import torch
from torch import Tensor

from nadyn.training.ranks import Ranks

# Longer tensors are passed on piece by piece [bytes].
PIECE = 2**20
# What an exchange waits for is mostly there within this time; only then is it worth to sleep.
_SPIN_SECONDS = 0.005
_LOOK_SECONDS = 0.2


@dataclass(frozen=True)
class Meeting:
    """Where the processes of a training meet; it can be handed to a process that is started.

    Attributes:
        memory: Name of the memory: two pieces for each process.
        arrivals: One semaphore for each process to wait at and each that it waits for.
    """

    memory: str
    arrivals: tuple[tuple[Semaphore, ...], ...]

    @property
    def size(self) -> int:
        """How many processes meet."""
        return len(self.arrivals)


@dataclass
class _Place:
    """The pieces of memory, by turn and process, and how often the processes have met."""

    memory: SharedMemory
    pieces: list[list[Tensor]]
    met: int = 0


@dataclass(frozen=True)
class MemoryRanks(Ranks):
    """One of several processes that share memory.

    Attributes:
        meeting: Where they meet.
        check: Raises where one of them has ended.
        place: The memory, as this process has opened it.
    """

    meeting: Meeting = Meeting("", ())
    check: Callable[[bool], None] = bool
    place: _Place | None = None

    def _broadcast(self, tensor: Tensor) -> None:
        flat = tensor.view(-1)
        for part in flat.split(self._length(tensor)):
            part.copy_(self._exchange(part)[0])

    def _add(self, tensor: Tensor) -> None:
        flat = tensor.view(-1)
        for part in flat.split(self._length(tensor)):
            # In the order of the processes, so that all have the same bits.
            found = self._exchange(part)
            part.copy_(found[0])
            for other in found[1:]:
                part.add_(other)

    def _gather(self, tensor: Tensor) -> list[Tensor]:
        parts = [
            [one.clone() for one in self._exchange(part)]
            for part in tensor.view(-1).split(self._length(tensor))
        ]
        return [torch.cat(own).view_as(tensor) for own in zip(*parts, strict=True)] if parts else []

    def _length(self, tensor: Tensor) -> int:
        return max(1, PIECE // tensor.element_size())

    def _exchange(self, own: Tensor) -> list[Tensor]:
        """Return what all have put down, until the exchange after the next one.

        Pieces take turns: who puts something into a piece again has met all others once since, and they had
        read it before they came there.
        """
        place, n_bytes = self.place, own.numel() * own.element_size()
        pieces = [piece[:n_bytes].view(own.dtype) for piece in place.pieces[place.met % 2]]
        pieces[self.rank].copy_(own)
        for other in range(self.size):
            if other != self.rank:
                self.meeting.arrivals[other][self.rank].release()
        for other in range(self.size):
            if other != self.rank:
                self._wait_for(self.meeting.arrivals[self.rank][other])
        place.met += 1
        return pieces

    def _wait_for(self, arrival: Semaphore) -> None:
        until = time.monotonic() + _SPIN_SECONDS
        while time.monotonic() < until:
            if arrival.acquire(block=False):
                return
        while not arrival.acquire(timeout=_LOOK_SECONDS):
            self.check(self.place.met > 0)


def opened(meeting: Meeting, memory: SharedMemory) -> _Place:
    """Return the memory of a meeting as pieces."""
    whole = torch.frombuffer(memory.buf, dtype=torch.uint8)[: 2 * meeting.size * PIECE]
    pieces = [list(turn.split(PIECE)) for turn in whole.split(meeting.size * PIECE)]
    return _Place(memory, pieces)
