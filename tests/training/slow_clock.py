"""A clock that goes on by steps alone, for trainings on a machine that becomes slower."""

from collections.abc import Callable

from nadyn.training.progress import Progress


class StepClock:
    """Goes on whenever a step is reported, by what that step is said to cost.

    Attributes:
        now: What it shows [s].
        log: Title, step and planned number of steps of every report.
        began: Time at which each title was reported first.
    """

    def __init__(self, cost: Callable[[str, int, float], float], stop_at: int | None = None):
        """Take the cost of a step from its title, its number and the time before it.

        Args:
            cost: In seconds.
            stop_at: Report after which the training is killed, counted over all parts.
        """
        self.now = 0.0
        self.log: list[tuple[str, int, int | None]] = []
        self.began: dict[str, float] = {}
        self._cost = cost
        self._stop_at = stop_at

    def __call__(self) -> float:
        return self.now

    def report(self, progress: Progress) -> None:
        """Let the time of a step pass."""
        self.began.setdefault(progress.title, self.now)
        self.now += self._cost(progress.title, progress.step, self.now)
        self.log.append((progress.title, progress.step, progress.n_steps))
        if len(self.log) == self._stop_at:
            raise Killed


class Killed(Exception):
    """Raised in the middle of a training."""
