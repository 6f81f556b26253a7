"""Frames as people read them: how many, and the first of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np
from jaxtyping import Bool

_MOST_SHOWN = 8
_ALL = ContextVar("every frame is named", default=False)


@contextmanager
def every_frame_named(asked: bool = True) -> Iterator[None]:
    """Let all sentences inside name every frame, if that is asked for."""
    before = _ALL.set(asked)
    try:
        yield
    finally:
        _ALL.reset(before)


def frames_in_words(chosen: Bool[np.ndarray, "frame"]) -> str:
    """Return words such as `2 of 99 frames (3, 7)`; beyond eight, what names the others is named."""
    numbers = np.flatnonzero(chosen)
    most = len(numbers) if _ALL.get() else _MOST_SHOWN
    shown = ", ".join(str(number) for number in numbers[:most])
    more = ", …; `nadyn info --all-frames` names all" if len(numbers) > most else ""
    return f"{len(numbers)} of {len(chosen)} frames ({shown}{more})"
