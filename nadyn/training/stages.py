"""What comes before the training proper: a search where `basis` is auto, small networks without couplings."""

from dataclasses import asdict, dataclass, replace

from nadyn.models.learned import Network
from nadyn.training.assignments import assignment_from_plain, assignments
from nadyn.training.checkpoint import read_progress
from nadyn.training.job import Job
from nadyn.training.loop import Outcome
from nadyn.training.samples import batches_per_epoch
from nadyn.training.schedule import Length
from nadyn.training.search import (
    Trial,
    search,
    seconds_of_search,
    trial_from_plain,
    trial_lengths,
    winner,
)
from nadyn.training.small_starts import (
    Build,
    called_for,
    length_of_one,
    seconds_of_starts,
    start_from_the_best,
)

# The training proper has at least this part of a time limit.
_LAST = 0.1
# Length where neither `epochs` nor `time_limit_minutes` is given.
DEFAULT_TIME_LIMIT_MINUTES = 60.0


@dataclass(frozen=True)
class Learned:
    """What came out of a training.

    Attributes:
        network: It holds the best averaged weights.
        outcome: Of the training proper.
        trials: What was tried where the basis was open; empty without a search.
        start: A sentence on the small networks before it; empty without them.
    """

    network: Network
    outcome: Outcome
    trials: tuple[Trial, ...]
    start: str


def search_and_train(job: Job, build: Build) -> Learned:
    """Find the basis if it is open, and where states cross if no coupling tells; then train.

    What was found before is a part of the checkpoint of the training proper. `epochs` count that one alone,
    while a time limit includes everything.

    Args:
        job: All frames and settings.
        build: Gives an untrained network of an assignment, None for that of the configuration.
    """
    configuration, length = job.configuration, _length(job)
    if job.resume and job.checkpoint.exists():
        return _go_on(job, build, length)
    choices = assignments(job.n_states)
    found: dict[str, dict[str, object]] = {}
    spent = 0.0
    if called_for(job):
        each = length_of_one(job, length)
        start = start_from_the_best(job, build, each)
        network = start.network
        found = {
            "start": {"sentence": start.sentence, "assignment": start.assignment and asdict(start.assignment)}
        }
        spent = seconds_of_starts(job, each) if each.seconds is not None else 0.0
    elif configuration.model.basis == "auto" and not job.is_atomic_sum and len(choices) > 1:
        lengths = trial_lengths(length, len(choices))
        trials = search(job, choices, lambda assignment: build(assignment, configuration), lengths)
        network = build(trials[winner(trials)].assignment, configuration)
        found = {"search": {"trials": [asdict(trial) for trial in trials]}}
        spent = seconds_of_search(lengths, len(choices)) if length.seconds is not None else 0.0
    else:
        network = build(None, configuration)
    if length.seconds is not None:
        length = Length(seconds=max(length.seconds - spent, _LAST * length.seconds))
    return _train(replace(job, origin=job.origin | found | {"length": asdict(length)}), network, length)


def _go_on(job: Job, build: Build, length: Length) -> Learned:
    """Go on with the training proper: its checkpoint holds all that was found before."""
    stored = read_progress(job.checkpoint)["origin"]
    job = replace(job, origin=stored)
    assignment = None
    if trials := _trials(job):
        assignment = trials[winner(trials)].assignment
    elif stored.get("start", {}).get("assignment"):
        assignment = assignment_from_plain(stored["start"]["assignment"])
    length = Length(**stored["length"]) if "length" in stored else length
    return _train(job, build(assignment, job.configuration), length)


def _train(job: Job, network: Network, length: Length) -> Learned:
    trials = _trials(job)
    title = str(trials[winner(trials)].assignment) if trials else ""
    outcome = job.train(network, length, title=title, checkpoint=job.checkpoint)
    return Learned(network, outcome, trials, job.origin.get("start", {}).get("sentence", ""))


def _trials(job: Job) -> tuple[Trial, ...]:
    return tuple(map(trial_from_plain, job.origin["search"]["trials"])) if "search" in job.origin else ()


def _length(job: Job) -> Length:
    configuration = job.configuration
    if configuration.epochs is not None:
        return Length(
            n_steps=configuration.epochs * batches_per_epoch(job.training, configuration.batch_size)
        )
    return Length(seconds=60.0 * (configuration.time_limit_minutes or DEFAULT_TIME_LIMIT_MINUTES))
