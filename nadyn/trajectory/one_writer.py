"""One writer of a file at a time, from before the file is there."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nadyn.checks.errors import InputError
from nadyn.checks.output import telling_why
from nadyn.trajectory.raw_file import locked

_LOOK_SECONDS = 0.3
# On a disk without locks a writer shows that it lives; who has shown nothing for so long is dead.
_ALIVE_SECONDS, _DEAD_SECONDS = 10.0, 120.0


@contextmanager
def only_writer(path: Path, *, patience_seconds: float) -> Iterator[None]:
    """Be the one who writes `path` inside the block, after waiting for one who ends.

    A lock on a small file beside it, which the system takes back from a process that dies. On a disk without
    locks, that small file itself, made by one process only, which touches it every ten seconds; one that was
    not touched for two minutes is taken over.

    Raises:
        InputError: Another one goes on writing.
        RunError: The disk is full or refuses to be written.
    """
    beside = path.with_name(f".{path.name}.lock")
    end = time.monotonic() + patience_seconds
    with telling_why(path):
        descriptor = os.open(beside, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        while (got := locked(descriptor)) is False:
            _wait(path, end)
        if got:
            yield
            return
    finally:
        os.close(descriptor)
    with _shown_alive(path, beside.with_suffix(".owner"), end):
        yield


@contextmanager
def _shown_alive(path: Path, owner: Path, end: float) -> Iterator[None]:
    while not _owned(owner):
        _wait(path, end)
    over = threading.Event()

    def show() -> None:
        while not over.wait(_ALIVE_SECONDS):
            os.utime(owner)

    shown = threading.Thread(target=show, daemon=True)
    shown.start()
    try:
        yield
    finally:
        over.set()
        shown.join()
        owner.unlink(missing_ok=True)


def _owned(owner: Path) -> bool:
    """Make the file of an owner; take that of a dead one away."""
    try:
        os.close(os.open(owner, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        return True
    except FileExistsError:
        pass
    try:
        if time.time() - owner.stat().st_mtime > _DEAD_SECONDS:
            owner.unlink(missing_ok=True)
    except FileNotFoundError:
        pass
    return False


def _wait(path: Path, end: float) -> None:
    if time.monotonic() > end:
        raise InputError(
            f"file {str(path)!r} must have one writer, but another process is writing it now. Wait for it, "
            "or end it."
        )
    time.sleep(_LOOK_SECONDS)
