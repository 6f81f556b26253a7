"""`basis: auto`: each assignment is trained for a short time, the two best of them longer, the best wins.

Only the assignment goes on: the training proper begins again, as if it had been given. The weights of a trial
are a bad start, because its short schedule leaves frames on the wrong side of the seam where they are.
"""

from collections.abc import Callable
from dataclasses import dataclass

from nadyn.models.potential import Potential
from nadyn.training.assignments import Assignment, assignment_from_plain
from nadyn.training.checkpoint import beside
from nadyn.training.earlier import Earlier
from nadyn.training.job import Job
from nadyn.training.progress import Progress
from nadyn.training.schedule import Length

# A trial is a training with a schedule of its own: an unfinished one says little about the end.
_TRIAL_STEPS = 1000
_TRIAL_SECONDS = 60.0
# After a first trial the right assignment may lie a hair behind another, because some of its frames are still
# on the wrong side of the seam. A longer trial tells them apart.
_N_FINALISTS = 2
_FINAL_STEPS = 3000
_FINAL_SECONDS = 180.0
# All trials of a round together take at most this part of the training. Where the second is too short, the
# right assignment may still have a part of the frames on the wrong side of a seam, and lie behind.
_FIRST_PART, _FINAL_PART = 0.2, 0.4
# A round in a time limit may take this many times what it was meant to: then its trials become shorter.
SLACK = 1.25


@dataclass(frozen=True)
class Trial:
    """A short training of one assignment.

    Attributes:
        assignment: Basis and start.
        score: Mean logarithm of the validation errors, see `validation.Errors`, the lower the better; after
            the second round for finalists.
        n_steps: Length, both rounds together.
        finalist: Whether it was trained in the second round.
    """

    assignment: Assignment
    score: float
    n_steps: int
    finalist: bool = False


def winner(trials: tuple[Trial, ...]) -> int:
    """Return the number of the best finalist."""
    return min(range(len(trials)), key=lambda number: (not trials[number].finalist, trials[number].score))


def trial_from_plain(values: dict[str, object]) -> Trial:
    """Return the trial that `dataclasses.asdict` and JSON took apart."""
    return Trial(**(values | {"assignment": assignment_from_plain(values["assignment"])}))


def trial_lengths(length: Length, n_trials: int) -> tuple[Length, Length]:
    """Return the length of one trial in the first and in the second round.

    1,000 and 3,000 steps, or a minute and three; less where the training is short.
    """
    return (
        _shorter(length, _TRIAL_STEPS, _TRIAL_SECONDS, _FIRST_PART / n_trials),
        _shorter(length, _FINAL_STEPS, _FINAL_SECONDS, _FINAL_PART / _N_FINALISTS),
    )


@dataclass(frozen=True)
class Search:
    """What a search has found.

    Attributes:
        trials: One an assignment, in their order.
        earlier: All trainings of it.
        seconds: How long it took.
    """

    trials: tuple[Trial, ...]
    earlier: tuple[Earlier, ...]
    seconds: float


def search(
    job: Job,
    choices: tuple[Assignment, ...],
    build: Callable[[Assignment], Potential],
    lengths: tuple[Length, Length],
) -> Search:
    """Train every assignment for a short time and the two best again; return what each has reached.

    Where the lengths are times, the first trial finds how many steps that is, and all have the same number,
    unless steps become so slow that a round would take a quarter longer than it was meant to: then what is
    left of it is shared out evenly.

    Args:
        job: The training that the search belongs to; trials have files beside its checkpoint.
        choices: What to try.
        build: Gives an untrained network.
        lengths: Of one trial in both rounds, from `trial_lengths`.
    """
    first, second = lengths
    trials, earlier, spent = [], [], 0.0
    ends = _ends(lengths, len(choices))

    def run(assignment: Assignment, length: Length, name: str, title: str) -> Progress:
        nonlocal spent
        _, outcome = job.train(
            lambda: build(assignment), length, title=title, checkpoint=beside(job.checkpoint, name)
        )
        spent += outcome.seconds
        earlier.append(Earlier(name, outcome.progress.best_score, outcome.progress.step, assignment))
        return outcome.progress

    for number, assignment in enumerate(choices):
        title = f"trial {number + 1} of {len(choices)}: {assignment}"
        progress = run(assignment, first, f"trial-{number}", title)
        trials.append(Trial(assignment, progress.best_score, progress.step))
        if ends and number == 0:
            # A trial that stopped early knows no number of steps but those that it made.
            n_steps = progress.n_steps or progress.step
            second = Length(n_steps=max(1, int(n_steps * second.seconds / first.seconds)))
        if ends and number + 1 < len(choices):
            first = Length(n_steps, (ends[0] - spent) / (len(choices) - number - 1))
    ranking = sorted(range(len(trials)), key=lambda number: trials[number].score)[:_N_FINALISTS]
    for place, number in enumerate(ranking):
        trial = trials[number]
        title = f"longer trial {place + 1} of {_N_FINALISTS}: {trial.assignment}"
        if ends:
            second = Length(second.n_steps, (ends[1] - spent) / (len(ranking) - place))
        # Afresh: the first, short schedule may have left frames on the wrong side for good.
        progress = run(trial.assignment, second, f"final-{number}", title)
        trials[number] = Trial(trial.assignment, progress.best_score, trial.n_steps + progress.step, True)
    return Search(tuple(trials), tuple(earlier), spent)


def _ends(lengths: tuple[Length, Length], n_trials: int) -> tuple[float, float] | None:
    """Return when each round has to be over at the latest [s], from the beginning; None without a limit."""
    first, second = (length.seconds for length in lengths)
    if first is None or second is None:
        return None
    return SLACK * n_trials * first, SLACK * (n_trials * first + _N_FINALISTS * second)


def _shorter(length: Length, n_steps: int, seconds: float, part: float) -> Length:
    if length.n_steps is not None:
        return Length(n_steps=max(1, min(n_steps, int(part * length.n_steps))))
    return Length(seconds=min(seconds, part * length.seconds))
