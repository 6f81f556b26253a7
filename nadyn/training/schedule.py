"""Length of a training, and what changes in its course, as functions of the step alone."""

import math
from dataclasses import dataclass

# Couplings on the wrong side of a seam are told from wrong ones by time alone: their bound is loose at first.
_LOOSE = 25.0
_LOOSE_UNTIL = 0.5
_TIGHT_FROM = 0.75


@dataclass(frozen=True)
class Length:
    """How long to train: a number of steps, or a time that is turned into one while training.

    Exactly one of both is given.
    """

    n_steps: int | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Schedule:
    """Linear warm-up, then constant until the length is known, then half a cosine to 1 % of the peak.

    Attributes:
        peak: Highest learning rate.
        warmup_steps: Length of the warm-up.
        n_steps: Length of the training, or None while it is not known.
        decay_start: Step at which the length became known; 0 if from the start.
    """

    peak: float
    warmup_steps: int
    n_steps: int | None
    decay_start: int = 0

    def rate(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        warm = min(1.0, (step + 1) / self.warmup_steps)
        if self.n_steps is None:
            return self.peak * warm
        start = max(self.decay_start, min(self.warmup_steps, self.n_steps))
        progress = min(1.0, max(0.0, (step - start) / max(1, self.n_steps - start)))
        return self.peak * warm * (0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * progress)))

    def looseness(self, step: int) -> float:
        """Return how many times farther than at the end the bound of outliers among couplings lies at a step.

        25 for the first half, then falling, 1 for the last quarter. A whole region of frames that lie on the
        wrong side of a seam contradicts all others as wrong labels do; with a tight bound from the beginning
        nothing pulls it over. A graduated non-convexity (A. Blake and A. Zisserman, Visual Reconstruction,
        MIT Press 1987).
        """
        done = step / self.n_steps if self.n_steps else 0.0
        left = (_TIGHT_FROM - done) / (_TIGHT_FROM - _LOOSE_UNTIL)
        return _LOOSE ** min(1.0, max(0.0, left))


def steps_in(time_limit_s: float, elapsed_s: float, steps_done: int) -> int:
    """Return how many steps fit into the time limit at the pace so far, keeping 4 % for the end."""
    return max(steps_done + 1, int(0.96 * time_limit_s * steps_done / elapsed_s))
