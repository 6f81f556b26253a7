"""Members of a committee that train at the same time, each in a process of its own."""

import math
import multiprocessing
import os
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from multiprocessing.process import BaseProcess
from multiprocessing.queues import Queue

from nadyn.checks.errors import InputError, RunError
from nadyn.electronic.interrupt import termination_interrupts
from nadyn.training.progress import Progress

_LOOK_SECONDS = 0.2
# A member tells so often how far it is.
_SECONDS_BETWEEN_REPORTS = 0.4
# What has left its last words in the pipe is read so much longer.
_LAST_WORDS_SECONDS = 2.0


def side_by_side(
    finish: Callable[..., None],
    arguments: Mapping[str, object],
    members: Sequence[int],
    *,
    processes: int,
    n_members: int,
    report: Callable[[Progress], None],
) -> None:
    """Call `finish(number=…, report=…, **arguments)` for each member in a process, several at a time.

    Args:
        finish: A function of a module, that keeps what it has done.
        arguments: What it is given; they are copied.
        members: Their numbers.
        processes: How many at a time.
        n_members: How many the committee has.
        report: Called with the progress of the one that has farthest to go.

    Raises:
        InputError: A member was refused; the others are interrupted.
        RunError: A member failed, or its process ended; the others are interrupted.
        KeyboardInterrupt: As usual; all have been interrupted, and have kept what they had done.
    """
    context = multiprocessing.get_context("spawn")
    words = context.Queue()
    left, running, seen = list(members), {}, {}
    try:
        while left or running:
            while left and len(running) < processes:
                number = left.pop(0)
                given = (words, os.getpid(), number, finish, dict(arguments))
                running[number] = context.Process(target=_member, args=given, daemon=True)
                running[number].start()
            _listen(words, seen, _LOOK_SECONDS)
            for number in [number for number, one in running.items() if not one.is_alive()]:
                _judge(number, running.pop(number), words, seen)
            _tell(report, [seen[one] for one in running if one in seen], sorted(running), n_members)
    finally:
        for one in running.values():
            one.terminate()
        for one in running.values():
            one.join()


def _listen(words: Queue, seen: dict[int, Progress], seconds: float) -> None:
    """Take in what members say, until nothing has been said for some time; refusals are raised."""
    try:
        while True:
            number, said = words.get(timeout=seconds)
            if isinstance(said, Exception):
                raise said
            seen[number] = said
            seconds = 0.0
    except queue.Empty:
        return


def _judge(number: int, process: BaseProcess, words: Queue, seen: dict[int, Progress]) -> None:
    """Go on if a process has done what it was to do, else raise what became of it."""
    if process.exitcode == 0:
        return
    _listen(words, seen, _LAST_WORDS_SECONDS)
    raise RunError(
        f"member {number + 1} must train to its end, but its process ended with code {process.exitcode}. Is "
        "there memory for so many at a time? Go on with `--resume` and `--processes 1`."
    )


def _tell(
    report: Callable[[Progress], None], found: list[Progress], running: list[int], n_members: int
) -> None:
    if not found:
        return
    slowest = copy(max(found, key=_steps_left))
    numbers = [str(number + 1) for number in running]
    names = numbers[0] if len(numbers) == 1 else f"{', '.join(numbers[:-1])} and {numbers[-1]}"
    slowest.title = f"member{'s' if len(numbers) > 1 else ''} {names} of {n_members}"
    report(slowest)


def _steps_left(progress: Progress) -> float:
    return math.inf if progress.n_steps is None else float(progress.n_steps - progress.step)


def _member(
    words: Queue,
    parent: int,
    number: int,
    finish: Callable[..., None],
    arguments: dict[str, object],
) -> None:
    """Train one member in a process of its own, which ends when the one that asked is gone."""
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    last = -math.inf

    def tell(progress: Progress) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _SECONDS_BETWEEN_REPORTS:
            last = now
            words.put((number, copy(progress)))

    try:
        with termination_interrupts():
            finish(number=number, report=tell, **arguments)
    except (InputError, RunError) as error:
        words.put((number, error))
        raise SystemExit(1) from error
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1.0)
    # A checkpoint must have one writer, the next one.
    os._exit(1)
