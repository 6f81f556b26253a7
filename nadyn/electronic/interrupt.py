"""An interrupt from the keyboard that waits for the end of a time step."""

import signal
import threading
from types import FrameType


class DeferredInterrupt:
    """While this context is open, Ctrl-C only sets `requested`; a second one acts at once."""

    def __init__(self) -> None:
        """Start without a request."""
        self.requested = False
        self._before = None

    def __enter__(self) -> "DeferredInterrupt":
        """Take over SIGINT, which only the main thread may do."""
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._remember)
        return self

    def __exit__(self, *error: object) -> None:
        """Give SIGINT back."""
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
