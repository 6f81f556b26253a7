"""`basis: auto`: a small network of each assignment is trained, of the two best another one, the best wins.

Only the assignment goes on: the training proper begins as if it had been given.
"""

from dataclasses import dataclass

from nadyn.training.assignments import Assignment, assignment_from_plain, assignments
from nadyn.training.job import Job
from nadyn.training.schedule import Length
from nadyn.training.small_networks import Build, length_of_small, same_length, train_small

# One seed may leave frames on the wrong side of a seam, and the right assignment behind another.
_N_FINALISTS = 2


@dataclass(frozen=True)
class Trial:
    """What small networks of one assignment have reached.

    Attributes:
        assignment: Basis and start.
        score: Mean logarithm of the validation errors, see `validation.Errors`, the lower the better; of a
            finalist the better of two.
        n_steps: Length of one network.
        finalist: Whether there was a second one.
    """

    assignment: Assignment
    score: float
    n_steps: int
    finalist: bool = False


def winner(trials: tuple[Trial, ...]) -> int:
    """Return the number of the best trial."""
    return min(range(len(trials)), key=lambda number: trials[number].score)


def trial_from_plain(values: dict[str, object]) -> Trial:
    """Return the trial that `dataclasses.asdict` and JSON took apart."""
    return Trial(**(values | {"assignment": assignment_from_plain(values["assignment"])}))


def n_trials(n_states: int) -> int:
    """Return how many small networks a search trains."""
    return len(assignments(n_states)) + _N_FINALISTS


def search(job: Job, build: Build, length: Length) -> tuple[Trial, ...]:
    """Train a small network of every assignment and a second one of the two best; return all, in order.

    Args:
        job: The training that follows.
        build: Gives an untrained network.
        length: Of that training.
    """
    choices = assignments(job.n_states)
    each = length_of_small(length, n_trials(job.n_states))
    trials: list[Trial] = []

    def run(number: int, *, attempt: int, title: str) -> Trial:
        nonlocal each
        part = f"trial-{number}-{attempt}"
        _, progress = train_small(
            job,
            build,
            choices[number],
            each,
            attempt=attempt,
            near_the_seam=False,
            title=f"{title}: {choices[number]}",
            part=part,
        )
        each = same_length(each, progress)
        return Trial(choices[number], progress.best_score, progress.step)

    for number in range(len(choices)):
        trials.append(run(number, attempt=0, title=f"trial {number + 1} of {n_trials(job.n_states)}"))
    ranking = sorted(range(len(choices)), key=lambda number: trials[number].score)
    for place, number in enumerate(ranking[:_N_FINALISTS], start=len(choices) + 1):
        again = run(number, attempt=1, title=f"trial {place} of {n_trials(job.n_states)}")
        best = min(trials[number].score, again.score)
        trials[number] = Trial(choices[number], best, again.n_steps, finalist=True)
    return tuple(trials)
