"""Length of a training, and what changes in its course, as functions of the step alone."""

import math
from dataclasses import dataclass, replace

# Couplings on the wrong side of a seam are told from wrong ones by time alone: their bound is loose at first.
_LOOSE = 25.0
_LOOSE_UNTIL = 0.5
_TIGHT_FROM = 0.75


@dataclass(frozen=True)
class Length:
    """How long to train: a number of steps, a time that is turned into one while training, or both.

    One of both is given at least. With both it is so many steps, or as many as the time allows.
    """

    n_steps: int | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Schedule:
    """Linear warm-up, then constant until the length is known, then half a cosine to 1 % of the peak.

    Where the length is changed on the way, what is left of the cosine is drawn together from there on: the
    rate does not jump, and still ends at 1 %.

    Attributes:
        peak: Highest learning rate.
        warmup_steps: Length of the warm-up.
        changes: (step, length of the training as it was decided at that step), in order; empty while the
            length is not known, and the first at step 0 where it is known from the start.
    """

    peak: float
    warmup_steps: int
    changes: tuple[tuple[int, int], ...] = ()

    @property
    def n_steps(self) -> int | None:
        """Length of the training as far as it is known."""
        return self.changes[-1][1] if self.changes else None

    def changed(self, step: int, n_steps: int) -> "Schedule":
        """Return the schedule with another length from a step on."""
        return replace(self, changes=(*self.changes, (step, n_steps)))

    def rate(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        warm = min(1.0, (step + 1) / self.warmup_steps)
        if not self.changes:
            return self.peak * warm
        known, n_steps = self.changes[0]
        done = self._done(step, max(known, min(self.warmup_steps, n_steps)))
        return self.peak * warm * (0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * done)))

    def looseness(self, step: int) -> float:
        """Return how many times farther than at the end the bound of outliers among couplings lies at a step.

        25 for the first half, then falling, 1 for the last quarter. A whole region of frames that lie on the
        wrong side of a seam contradicts all others as wrong labels do; with a tight bound from the beginning
        nothing pulls it over. A graduated non-convexity (A. Blake and A. Zisserman, Visual Reconstruction,
        MIT Press 1987).
        """
        done = self._done(step, 0) if self.changes else 0.0
        left = (_TIGHT_FROM - done) / (_TIGHT_FROM - _LOOSE_UNTIL)
        return _LOOSE ** min(1.0, max(0.0, left))

    def _done(self, step: int, start: int) -> float:
        """Return which part lies behind at a step of what began at `start`: linear between changes."""
        reached, end = 0.0, self.changes[0][1]
        for at, n_steps in self.changes[1:]:
            if at >= step:
                break
            reached = _between(reached, start, at, end)
            start, end = max(start, at), n_steps
        return _between(reached, start, step, end)


def _between(reached: float, start: int, step: int, end: int) -> float:
    part = min(1.0, max(0.0, (step - start) / max(1, end - start)))
    return reached + (1.0 - reached) * part
