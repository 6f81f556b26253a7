"""Frames as people read them: how many, and the first of them."""

import numpy as np
from jaxtyping import Bool

_MOST_SHOWN = 8


def frames_in_words(chosen: Bool[np.ndarray, "frame"]) -> str:
    """Return words such as `10 of 99 frames (0, 1, 2, 3, 4, 5, 6, 7, …)`."""
    numbers = np.flatnonzero(chosen)
    shown = ", ".join(str(number) for number in numbers[:_MOST_SHOWN])
    more = ", …" if len(numbers) > _MOST_SHOWN else ""
    return f"{len(numbers)} of {len(chosen)} frames ({shown}{more})"
