"""The live table of a training."""

import math
import time
from collections.abc import Callable

from rich.table import Table

from nadyn.training.progress import Progress
from nadyn.training.quantities import QUANTITIES
from nadyn.training.search import Trial

_SECONDS_BETWEEN_LINES = 30.0


class TrainingLines:
    """Writes a line about the progress every half a minute, at every new stage and at the end of each: for a
    log file, in which a table cannot be redrawn.
    """

    def __init__(self, write: Callable[[str], None]) -> None:
        """Take the function that writes a line."""
        self._write = write
        self._started = time.monotonic()
        self._written = -float("inf")
        self._title: str | None = None

    def show(self, progress: Progress) -> None:
        """Write a line if it is time."""
        now = time.monotonic()
        is_last = progress.n_steps is not None and progress.step >= progress.n_steps
        if progress.title == self._title and not is_last and now - self._written < _SECONDS_BETWEEN_LINES:
            return
        self._title, self._written = progress.title, now
        self._write(self._line(progress, now - self._started))

    def _line(self, progress: Progress, seconds: float) -> str:
        planned = "" if progress.n_steps is None else f" of {progress.n_steps:,}"
        parts = [f"step {progress.step:,}{planned}", f"{_duration(seconds)} spent"]
        if progress.title:
            parts.insert(0, progress.title)
        if progress.n_steps is not None and math.isfinite(progress.seconds_a_step):
            parts.append(f"{_duration((progress.n_steps - progress.step) * progress.seconds_a_step)} left")
        if progress.learning_rate:
            parts.append(f"loss {progress.loss:.3f}")
        parts += [f"{progress.judged} {label} {values}" for label, values in _validation_errors(progress)]
        return ", ".join(parts)


class TrainingTable:
    """Shows the latest progress whenever rich draws it."""

    def __init__(self) -> None:
        self.progress: Progress | None = None
        self.started = time.monotonic()

    def show(self, progress: Progress) -> None:
        """Keep the progress for the next drawing."""
        self.progress = progress

    def __rich__(self) -> Table:
        table = Table(show_header=False, box=None, padding=(0, 2))
        progress = self.progress
        if progress is None:
            table.add_row("preparing", "descriptors of the training set")
            return table
        if progress.title:
            table.add_row("training", progress.title)
        planned = "measuring the pace" if progress.n_steps is None else f"{progress.n_steps:,}"
        table.add_row(
            "step", f"{progress.step:,} of {planned}  (epoch {progress.step / progress.steps_per_epoch:.1f})"
        )
        if progress.n_steps is not None and math.isfinite(progress.seconds_a_step):
            left = (progress.n_steps - progress.step) * progress.seconds_a_step
            table.add_row("time left", _duration(left))
        table.add_row("time spent", _duration(time.monotonic() - self.started))
        if progress.learning_rate:
            table.add_row("learning rate", f"{progress.learning_rate:.2e}")
            table.add_row("loss", f"{progress.loss:.3f}")
        for label, values in _validation_errors(progress):
            table.add_row(f"{progress.judged} {label}", values)
        return table


def trial_table(trials: tuple[Trial, ...]) -> Table:
    """Return what the search over assignments has found, the best first."""
    table = Table(title="assignments tried; the two best of a first round are trained again")
    table.add_column("basis (states start as)")
    table.add_column("steps", justify="right")
    table.add_column("validation score, lowest is best", justify="right")
    for trial in sorted(trials, key=lambda trial: (not trial.finalist, trial.score)):
        table.add_row(str(trial.assignment), f"{trial.n_steps:,}", f"{trial.score:.3f}")
    return table


def _validation_errors(progress: Progress) -> list[tuple[str, str]]:
    """Return name and values of each kind of error of the last validation."""
    last = progress.history[-1] if progress.history else {}
    return [
        (
            f"{quantity.name} MAE ({quantity.unit})",
            "  ".join(f"{value * quantity.per_au:.4f}" for value in own),
        )
        for quantity in QUANTITIES
        if (own := last.get(f"{quantity.name}_mae"))
    ]


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
