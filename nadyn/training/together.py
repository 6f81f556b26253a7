"""How processes that train one network find each other: started here, or by torchrun."""

import multiprocessing
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from multiprocessing.shared_memory import SharedMemory

import torch.distributed as dist

from nadyn.checks.errors import InputError, RunError
from nadyn.training.configuration import TrainingConfiguration
from nadyn.training.ranks import ONE_HAS_ENDED, Ranks
from nadyn.training.shared_memory import PIECE, Meeting, MemoryRanks, opened

# How long a process waits for another that is alive and says nothing; one that died is known at once.
_PATIENCE = timedelta(hours=2)
# This process will be one of them.
_IDLE_CORES = 1.5


def of_torchrun() -> tuple[int, int]:
    """Return the number of this process and how many there are, as torchrun says; 0 and 1 without it."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return 0, 1
    return int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])


def processes_for(configuration: TrainingConfiguration, members: int | None) -> int:
    """Return how many processes train where nobody says it: two, where a time limit lets a second core count.

    A length in steps promises the same bits on any machine, and members of a committee need cores of their
    own. Where others are at work, two processes would wait for each other.
    """
    if configuration.has_steps or members is not None or configuration.batch_size < 2:
        return 1
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return 2 if usable - load >= _IDLE_CORES and _can_share_memory() else 1


def _can_share_memory() -> bool:
    try:
        memory = SharedMemory(create=True, size=PIECE)
    except OSError:
        return False
    memory.close()
    memory.unlink()
    return True


@contextmanager
def together(size: int, follow: Callable[..., object], arguments: Mapping[str, object]) -> Iterator[Ranks]:
    """Give the processes of a training; those that are started here end with the block.

    Under torchrun they are those that it has started, and each runs this block. Otherwise this process is the
    first, and each of the others calls `follow(ranks=…, **arguments)`, which must do what the block does.

    Args:
        size: How many processes, where torchrun does not say it.
        follow: A function of a module.
        arguments: What it is given; they are copied.

    Raises:
        InputError: torchrun and `size` say different things.
        RunError: A process could not be started.
    """
    rank, of_all = of_torchrun()
    if of_all > 1:
        if size not in (1, of_all):
            raise InputError(
                f"`--processes` must be left out under torchrun, which has started {of_all}, but is {size}."
            )
        dist.init_process_group("gloo", timeout=_PATIENCE)
        try:
            yield Ranks(rank, of_all)
        finally:
            dist.destroy_process_group()
        return
    if size == 1:
        yield Ranks()
        return
    context = multiprocessing.get_context("spawn")
    try:
        memory = SharedMemory(create=True, size=2 * size * PIECE)
    except OSError as error:
        raise RunError(
            f"several processes must share memory, but this machine gives none ({error}). Train with "
            "`--processes 1`."
        ) from error
    arrivals = tuple(tuple(context.Semaphore(0) for _ in range(size)) for _ in range(size))
    meeting = Meeting(memory.name, arrivals)
    started = [
        context.Process(
            target=_follow, args=(number, meeting, os.getpid(), follow, dict(arguments)), daemon=True
        )
        for number in range(1, size)
    ]

    def check(has_met: bool) -> None:
        ended = [one.exitcode for one in started if not one.is_alive()]
        if ended and not has_met:
            raise RunError(
                f"a process that was to train beside this one must start, but ended with code {ended[0]}. "
                "Train with `--processes 1`; in a program of your own, call nadyn below `if __name__ == "
                '"__main__":`.'
            )
        if ended:
            raise RunError(ONE_HAS_ENDED)

    try:
        for process in started:
            process.start()
        yield MemoryRanks(0, size, meeting, check, opened(meeting, memory))
    finally:
        for process in started:
            # They ignore what asks politely.
            process.kill()
            process.join()
        memory.close()
        memory.unlink()


def _follow(
    number: int,
    meeting: Meeting,
    parent: int,
    follow: Callable[..., object],
    arguments: dict[str, object],
) -> None:
    """Do in a process of its own what the first does, in silence."""
    # They reach the first too, which tells all when it stops.
    for interrupt in (signal.SIGINT, signal.SIGTERM):
        signal.signal(interrupt, signal.SIG_IGN)
    sys.stdout = open(os.devnull, "w")
    # The first warns of the same.
    warnings.simplefilter("ignore")
    memory = SharedMemory(meeting.memory)

    def check(has_met: bool) -> None:
        if os.getppid() != parent:
            # Nobody is left to be told.
            os._exit(1)

    ranks = MemoryRanks(number, meeting.size, meeting, check, opened(meeting, memory))
    with suppress(InputError, RunError, KeyboardInterrupt):
        follow(ranks=ranks, **arguments)
