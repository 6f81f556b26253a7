"""The live table of a training."""

import time

from rich.table import Table

from nadyn.training.loop import Progress
from nadyn.training.search import Trial
from nadyn.units import ELECTRONVOLT_PER_HARTREE, EV_PER_ANGSTROM_PER_AU


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
        if progress.n_steps is not None:
            left = (progress.n_steps - progress.step) * progress.seconds_a_step
            table.add_row("time left", _duration(left))
        table.add_row("time spent", _duration(time.monotonic() - self.started))
        # Nothing is learned while frames are labelled.
        if progress.learning_rate:
            table.add_row("learning rate", f"{progress.learning_rate:.2e}")
            table.add_row("loss", f"{progress.loss:.3f}")
        if progress.history:
            last = progress.history[-1]
            for key, label, factor in (
                ("energy_mae", "validation energy MAE (eV)", ELECTRONVOLT_PER_HARTREE),
                ("force_mae", "validation force MAE (eV/Å)", EV_PER_ANGSTROM_PER_AU),
                ("coupling_mae", "validation coupling MAE (eV/Å)", EV_PER_ANGSTROM_PER_AU),
            ):
                if last[key]:
                    table.add_row(label, "  ".join(f"{value * factor:.4f}" for value in last[key]))
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


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
