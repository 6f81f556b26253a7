"""Interrupts, from the keyboard or from a queue, that wait for the end of a time step."""

import _thread
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# Ctrl-C, and what a queue sends before it kills.
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_AGAIN_SECONDS = 0.05


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
    """While this context is open, SIGTERM raises KeyboardInterrupt as Ctrl-C does, and neither is lost.

    One that comes while a module is imported is raised when it has been; a second Ctrl-C acts at once. One
    that Python throws away, in a finaliser or a callback, is raised again.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    interrupts, told_before = _Interrupts(), sys.unraisablehook
    # Ctrl-C is left to whoever has it otherwise: a shell keeps it from what it starts in the background.
    by_hand = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    wanted = _SIGNALS if by_hand else (signal.SIGTERM,)
    before = {number: signal.signal(number, interrupts.act) for number in wanted}

    def told(unraisable: "sys.UnraisableHookArgs") -> None:
        if issubclass(unraisable.exc_type, KeyboardInterrupt):
            _send_again(signal.SIGTERM)
        else:
            told_before(unraisable)

    sys.unraisablehook = told
    try:
        yield
    finally:
        sys.unraisablehook = told_before
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


class _Interrupts:
    def __init__(self) -> None:
        self.told_by_hand = False

    def act(self, number: int, frame: FrameType | None) -> None:
        in_a_hurry = number == signal.SIGINT and self.told_by_hand
        self.told_by_hand |= number == signal.SIGINT
        # An import throws exceptions away with its locks, and extensions make an ImportError of them.
        if _imports(frame) and not in_a_hurry:
            _send_again(signal.SIGTERM)
        else:
            raise KeyboardInterrupt


def _imports(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False


def _send_again(number: int) -> None:
    def later() -> None:
        time.sleep(_AGAIN_SECONDS)
        # Nothing happens where the signal is no longer caught.
        _thread.interrupt_main(number)

    # Not a Timer: the handler may have interrupted threading while it holds a lock.
    _thread.start_new_thread(later, ())
