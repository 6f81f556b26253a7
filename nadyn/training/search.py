"""`basis: auto`: each assignment of states is trained for a short time, and the best on validation wins."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nadyn.models.learned import Network
from nadyn.training.assignments import Assignment
from nadyn.training.checkpoint import beside
from nadyn.training.configuration import TrainingConfiguration
from nadyn.training.loop import Progress, train_network
from nadyn.training.samples import Samples
from nadyn.training.schedule import Length

# A trial is a training with a schedule of its own: an unfinished one says little about the end.
_TRIAL_STEPS = 1000
_TRIAL_SECONDS = 60.0
# All trials together take at most this part of the training.
_LARGEST_PART = 0.4


@dataclass(frozen=True)
class Trial:
    """A short training of one assignment.

    Attributes:
        assignment: Basis and start.
        score: Mean logarithm of the validation errors, see `validation.Errors`; the lowest goes on.
        n_steps: Length.
    """

    assignment: Assignment
    score: float
    n_steps: int


def trial_from_plain(values: dict[str, object]) -> Trial:
    """Return the trial that `dataclasses.asdict` and JSON took apart."""
    assignment = Assignment(values["assignment"]["basis"], tuple(values["assignment"]["start"]))
    return Trial(assignment, values["score"], values["n_steps"])


def trial_length(length: Length, n_trials: int) -> Length:
    """Return the length of one trial: 1,000 steps or a minute, less where the training is short."""
    if length.n_steps is not None:
        return Length(n_steps=max(1, min(_TRIAL_STEPS, int(_LARGEST_PART * length.n_steps / n_trials))))
    return Length(seconds=min(_TRIAL_SECONDS, _LARGEST_PART * length.seconds / n_trials))


def search(
    choices: tuple[Assignment, ...],
    build: Callable[[Assignment], Network],
    training: tuple[Samples, ...],
    validation: tuple[Samples, ...],
    configuration: TrainingConfiguration,
    length: Length,
    *,
    checkpoint: Path,
    origin: dict[str, dict[str, object]],
    resume: bool,
    report: Callable[[Progress], None],
) -> tuple[Network, tuple[Trial, ...]]:
    """Train every assignment for a short time; return the best network and what each has reached.

    Where the length is a time, the first trial finds how many steps that is, and all have the same number.

    Args:
        choices: What to try.
        build: Gives an untrained network.
        training: Frames to learn from.
        validation: Frames to judge by.
        configuration: Of the training that the search belongs to.
        length: Of one trial, from `trial_length`.
        checkpoint: Checkpoint file of that training; trials have files beside it.
        origin: See `train_network`.
        resume: Go on with trials that were begun.
        report: Called after each step.
    """
    best: tuple[Network, float] | None = None
    trials = []
    for number, assignment in enumerate(choices):
        path = beside(checkpoint, f"trial-{number}")
        network = build(assignment)
        outcome = train_network(
            network,
            training,
            validation,
            configuration,
            length,
            title=f"trial {number + 1} of {len(choices)}: {assignment}",
            checkpoint=path,
            origin=origin,
            resume=resume and path.exists(),
            report=report,
        )
        n_steps, score = outcome.progress.n_steps, outcome.progress.best_score
        length = Length(n_steps=n_steps)
        trials.append(Trial(assignment, score, n_steps))
        if best is None or score < best[1]:
            best = network, score
    return best[0], tuple(trials)
