"""What a check of labels finds."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool


@dataclass(frozen=True)
class Doubt:
    """One thing about a group that looks wrong.

    Attributes:
        sentence: What must be, what is, and what to do, without the name of the group.
        frames: The frames that are better left out; None where all of them are concerned alike.
    """

    sentence: str
    frames: Bool[np.ndarray, "frame"] | None = None
