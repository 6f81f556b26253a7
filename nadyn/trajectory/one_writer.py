"""One writer of a file at a time, from before the file is there."""

import os
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nadyn.checks.errors import InputError, InputWarning
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
        waits = False
        while (got := locked(descriptor)) is False:
            waits = _wait(path, end, waits=waits)
        if got:
            yield
            return
    finally:
        os.close(descriptor)
    with _shown_alive(path, beside.with_suffix(".owner"), end):
        yield


@contextmanager
def _shown_alive(path: Path, owner: Path, end: float) -> Iterator[None]:
    waits = False
    while not _owned(owner):
        waits = _wait(path, end, waits=waits)
    over = threading.Event()

    def show() -> None:
        while not over.wait(_ALIVE_SECONDS):
            with suppress(FileNotFoundError):
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
    """Make the file of an owner; take that of a dead one away first."""
    # Where somebody else was faster, there is nothing to take away.
    with suppress(FileNotFoundError):
        if _is_dead(owner):
            _take_away(owner)
    try:
        os.close(os.open(owner, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except FileExistsError:
        return False
    return True


def _is_dead(owner: Path) -> bool:
    return time.time() - owner.stat().st_mtime > _DEAD_SECONDS


def _take_away(owner: Path) -> None:
    """Remove the file of a dead owner, and never that of one who has come since it was looked at.

    Between a look and a removal another one may have taken over. So the file is moved to a name of one's own,
    which only one can do, and looked at again there; a live one is put back.
    """
    mine = owner.with_name(f"{owner.name}.{os.uname().nodename}.{os.getpid()}.{time.monotonic_ns()}")
    os.rename(owner, mine)
    if _is_dead(mine):
        mine.unlink()
        return
    try:
        os.link(mine, owner)
    except FileExistsError:
        # A third one owns it now; the second notices at its next sign of life.
        pass
    mine.unlink()


def _wait(path: Path, end: float, *, waits: bool) -> bool:
    """Wait a moment for another writer, and say so once."""
    if time.monotonic() > end:
        raise InputError(
            f"file {str(path)!r} must have one writer, but another process is writing it now. Wait for it, "
            "or end it."
        )
    if not waits:
        warnings.warn(
            f"another process is writing {str(path)!r}; waiting up to {end - time.monotonic():.0f} s for its "
            "end.",
            InputWarning,
            stacklevel=2,
        )
    time.sleep(_LOOK_SECONDS)
    return True
