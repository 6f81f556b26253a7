"""Interrupts, from the keyboard or from a queue, that wait for the end of a time step."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# Ctrl-C, and what a queue sends before it kills.
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class DeferredInterrupt:
    """While this context is open, Ctrl-C and SIGTERM only set `requested`; a second Ctrl-C acts at once."""

    def __init__(self) -> None:
        """Start without a request."""
        self.requested = False
        self._before = {}

    def __enter__(self) -> "DeferredInterrupt":
        """Take over the signals, which only the main thread may do."""
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._remember) for number in _SIGNALS}
        return self

    def __exit__(self, *error: object) -> None:
        """Give the signals back."""
        for number, handler in self._before.items():
            # None stands for a handler that was not set from Python, and cannot be set again from here.
            if handler is not None:
                signal.signal(number, handler)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        # A queue may tell the same twice, to a process and to its group; only a person is in a hurry.
        if self.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.requested = True


@contextmanager
def termination_interrupts() -> Iterator[None]:
    """While this context is open, SIGTERM raises KeyboardInterrupt as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
