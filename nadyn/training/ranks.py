"""Processes that do one thing together, and what they tell each other."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor

from nadyn.checks.errors import RunError

ONE_HAS_ENDED = (
    "the processes of this training must all go on to its end, but one of them has ended. Look for its error "
    "or for a lack of memory; `--resume` goes on from the last checkpoint, with fewer `--processes` if need "
    "be."
)


@dataclass(frozen=True)
class Ranks:
    """The processes of a training, of which this is one; all call the same functions in the same order.

    Attributes:
        rank: Number of this one; the first writes files and reports.
        size: How many there are.
    """

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes and reports."""
        return self.rank == 0

    def wait(self) -> None:
        """Return when all have come here."""
        self.of_the_first(0.0)

    def of_the_first(self, value: float) -> float:
        """Return the value that the first process has."""
        if self.size == 1:
            return value
        shared = torch.tensor([value], dtype=torch.float64)
        self._broadcast(shared)
        return float(shared)

    def any(self, flag: bool) -> bool:
        """Return whether it is so in any of them."""
        if self.size == 1:
            return flag
        shared = torch.tensor([float(flag)])
        self._add(shared)
        return bool(shared)

    def clock(self, clock: Callable[[], float]) -> Callable[[], float]:
        """Return a clock that gives the time of the first process to all."""
        return clock if self.size == 1 else lambda: self.of_the_first(clock())

    def take_from_the_first(self, tensors: Sequence[Tensor]) -> None:
        """Fill tensors with what they hold in the first process."""
        if self.size > 1:
            for tensor in tensors:
                self._broadcast(tensor)

    def rows(self, own: Float[Tensor, "_"], lengths: Sequence[int]) -> list[Float[Tensor, "_"]]:
        """Return the numbers of each process; those of this one are `own` itself, with its graph.

        Args:
            own: Numbers of this process.
            lengths: How many each has.
        """
        if self.size == 1:
            return [own]
        longest = max(lengths)
        sent = own.new_zeros(longest)
        sent[: len(own)] = own.detach()
        found = self._gather(sent)
        return [
            own if number == self.rank else row[:length]
            for number, (row, length) in enumerate(zip(found, lengths, strict=True))
        ]

    @torch.no_grad()
    def add_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Give every parameter the sum of its gradients in all processes; None where none has one."""
        if self.size == 1:
            return
        parameters = [one for one in parameters if one.requires_grad]
        flags = torch.tensor([float(one.grad is not None) for one in parameters])
        parts = [torch.zeros_like(one) if one.grad is None else one.grad for one in parameters]
        shared = torch.cat([part.reshape(-1) for part in parts] + [flags.to(parts[0])])
        self._add(shared)
        *sums, flags = shared.split([one.numel() for one in parameters] + [len(parameters)])
        for parameter, total, flag in zip(parameters, sums, flags.tolist(), strict=True):
            parameter.grad = total.view_as(parameter) if flag else None

    def _broadcast(self, tensor: Tensor) -> None:
        """Fill a tensor with what it holds in the first process."""
        _together(dist.broadcast, tensor, 0)

    def _add(self, tensor: Tensor) -> None:
        """Fill a tensor with its sum over all processes, the same bits in each."""
        _together(dist.all_reduce, tensor)

    def _gather(self, tensor: Tensor) -> list[Tensor]:
        """Return the tensors of all processes, which are of one size."""
        found = [torch.empty_like(tensor) for _ in range(self.size)]
        _together(dist.all_gather, found, tensor)
        return found


ALONE = Ranks()


def _together(operation: Callable[..., object], *arguments: object) -> None:
    try:
        operation(*arguments)
    except RuntimeError as error:
        raise RunError(ONE_HAS_ENDED) from error
