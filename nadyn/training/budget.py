"""A time limit becomes a number of steps, and stays a limit when steps become slower than they were."""

import math
from collections.abc import Callable

from nadyn.training.schedule import Length, Schedule

# The pace is measured over this time, or this part of a short limit, before the number of steps is fixed.
_PACE_SECONDS = 45.0
_PACE_PART = 0.2
# Later it is that of the last steps, over this part of the limit; and so often is it looked at.
_WINDOW = 0.05
_LOOK_EVERY = 0.02
# This part of the time that is left is planned; the rest is for what comes after the last step.
_PLANNED = 0.96
# What was shortened becomes longer again, up to the first plan, where so many times the steps fit after all.
_LONGER = 1.1
# One validation tells little of the next where a machine is busy: the plan takes a mean that forgets, with
# this weight of the newest.
_NEWEST = 0.1
# The window is kept as so many moments.
_MARKS = 20


class Budget:
    """Counts the time of a training and tells how many steps fit into its limit.

    Its state is a part of the checkpoint: a resumed training counts on, and decides as an undisturbed one.
    """

    def __init__(
        self,
        length: Length,
        steps_per_epoch: int,
        clock: Callable[[], float],
        *,
        began: float,
        state: dict[str, object] | None = None,
    ):
        """Begin to count.

        Args:
            length: Without `seconds` nothing is limited.
            steps_per_epoch: Steps from one validation to the next.
            clock: Gives seconds.
            began: What it gave when this part of the training began.
            state: Of an interrupted training, from `state`.
        """
        self._limit = length.seconds
        self._per_epoch = steps_per_epoch
        self._clock = clock
        self._began = began
        state = state or {"seconds": 0.0, "validation": 0.0, "looked": 0.0, "marks": []}
        self._before = float(state["seconds"])
        self._validation = float(state["validation"])
        self._looked = float(state["looked"])
        self._marks = [tuple(mark) for mark in state["marks"]]

    def seconds(self) -> float:
        """Return how long the training has taken, without the time between an interruption and its end."""
        return self._before + self._clock() - self._began

    def state(self) -> dict[str, object]:
        """Return everything as plain values for a checkpoint."""
        return {
            "seconds": self.seconds(),
            "validation": self._validation,
            "looked": self._looked,
            "marks": [list(mark) for mark in self._marks],
        }

    def begin(self, step: int) -> None:
        """Start to measure before a step; what came before, the building of a network, is no pace."""
        if not self._marks:
            self._marks.append((self.seconds(), step))

    def validated(self, seconds: float) -> None:
        """Take in how long a validation took; it is no part of the pace, but of the plan."""
        known = self._validation or seconds
        self._validation = known + _NEWEST * (seconds - known)
        self._marks = [(moment + seconds, step) for moment, step in self._marks]

    def decide(self, schedule: Schedule, step: int) -> int | None:
        """Return after how many steps the training is to end, where that is not what the schedule says.

        Args:
            schedule: As it is.
            step: Number of steps that are done.
        """
        if self._limit is None:
            return None
        now = self.seconds()
        self._mark(now, step)
        first, first_step = self._marks[0]
        pace = (now - first) / max(1, step - first_step)
        left = self._limit - now - self._validation
        if left < pace:
            return step if schedule.n_steps != step else None
        a_step = pace + self._validation / self._per_epoch
        fitting = step + max(1, int(_PLANNED * left / a_step) if a_step > 0 else 10**9)
        if schedule.n_steps is None:
            return fitting if now > min(_PACE_SECONDS, _PACE_PART * self._limit) else None
        if now - self._looked < _LOOK_EVERY * self._limit:
            return None
        self._looked = now
        fitting = min(fitting, schedule.changes[0][1])
        is_too_long = (schedule.n_steps - step) * a_step > left and fitting < schedule.n_steps
        return fitting if is_too_long or fitting > _LONGER * schedule.n_steps else None

    def _mark(self, now: float, step: int) -> None:
        """Keep moments of the last part of the limit, and always the latest one before it."""
        width = max(_WINDOW * self._limit, math.ulp(1.0))
        if now - self._marks[-1][0] >= width / _MARKS:
            self._marks.append((now, step))
        while len(self._marks) > 1 and self._marks[1][0] <= now - width and self._marks[1][1] < step:
            self._marks.pop(0)
