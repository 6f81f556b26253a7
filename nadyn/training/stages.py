"""What comes before the training proper: other models to begin from, a search where `basis` is auto, small
networks without couplings."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

import torch

from nadyn.checks.counts import counted
from nadyn.models.potential import Potential
from nadyn.training.assignments import assignment_from_plain, assignments
from nadyn.training.beginning import takes_weights
from nadyn.training.checkpoint import beside, best_weights, read_progress
from nadyn.training.earlier import Earlier, earlier_from_plain
from nadyn.training.inheritance import learn_matrices, length_of_lessons
from nadyn.training.job import Job
from nadyn.training.lessons import lesson_of_labels
from nadyn.training.progress import Outcome
from nadyn.training.samples import batches_per_epoch
from nadyn.training.schedule import Length
from nadyn.training.search import (
    Trial,
    search,
    trial_from_plain,
    trial_lengths,
    winner,
)
from nadyn.training.second_order.machine_code import can_compile
from nadyn.training.small_starts import (
    Build,
    called_for,
    length_of_one,
    small_configuration,
    start_from_the_best,
)

# Encoders whose training is compiled.
COMPILED = ("moments", "equivariant")
# Length where neither `epochs` nor `time_limit_minutes` is given.
DEFAULT_TIME_LIMIT_MINUTES = 60.0

# Frames of which matrices are learned at once.
_LESSON_BATCH = 48


@dataclass(frozen=True)
class Learned:
    """What came out of a training.

    Attributes:
        network: It holds the best averaged weights of all that was trained.
        outcome: Of the training proper.
        trials: What was tried where the basis was open; empty without a search.
        start: A sentence on the small networks before it; empty without them.
        kept: A sentence where the network is one from before the training proper; empty where it is not.
    """

    potential: Potential
    outcome: Outcome
    trials: tuple[Trial, ...]
    start: str
    kept: str = ""


def search_and_train(job: Job, build: Build) -> Learned:
    """Find the basis if it is open, and where states cross if no coupling tells; then train.

    What was found before is a part of the checkpoint of the training proper. `epochs` count that one alone,
    while a time limit includes everything.

    Args:
        job: All frames and settings.
        build: Gives an untrained network of an assignment, None for that of the configuration.
    """
    configuration, length = job.configuration, _length(job)
    # Machine code is made once a process, and takes as long as many steps. Made in the first step it would
    # pass for the pace of all: of a short limit every trial and every small network would get one step.
    if configuration.encoder.name in COMPILED:
        can_compile(torch.device("cpu"), torch.get_default_dtype())
    if job.resume and job.checkpoint.exists():
        return _go_on(job, build, length)
    choices = assignments(job.n_states)
    found: dict[str, object] = {}
    earlier: tuple[Earlier, ...] = ()
    spent, potential = 0.0, None
    assignment = None
    if job.beginning is not None:
        began = job.clock()
        potential = build(assignment, configuration)
        sentence = job.beginning.with_weights
        if not takes_weights(potential, job.beginning):
            sentence = job.beginning.with_matrices
            learn_matrices(potential, job.beginning.lessons, job, length_of_lessons(length))
        spent = job.clock() - began
        found = {"start": {"sentence": sentence, "assignment": None}}
    elif (lesson := lesson_of_labels(job.training)) is not None:
        began = job.clock()
        potential = build(assignment, configuration)
        title = "learning the labelled matrices"
        # Steps of labels alone are quick: a time limit alone shortens them.
        brief = replace(length_of_lessons(length), n_steps=length.n_steps)
        learn_matrices(potential, (lesson,), job, brief, title=title, batch_size=_LESSON_BATCH)
        spent = job.clock() - began
        n_known = counted(sum(map(len, lesson.samples)), "frame")
        sentence = f"it began with the diabatic matrices of {n_known} that have eigenvectors as labels"
        found = {"start": {"sentence": sentence, "assignment": None}}
    elif called_for(job):
        start = start_from_the_best(job, build, length_of_one(job, length))
        potential, earlier, spent = start.potential, start.earlier, start.seconds
        found = {
            "start": {"sentence": start.sentence, "assignment": start.assignment and asdict(start.assignment)}
        }
    elif configuration.model.basis == "auto" and not job.is_atomic_sum and len(choices) > 1:
        lengths = trial_lengths(length, len(choices))
        result = search(job, choices, lambda assignment: build(assignment, configuration), lengths)
        earlier, spent = result.earlier, result.seconds
        assignment = result.trials[winner(result.trials)].assignment
        found = {"search": {"trials": [asdict(trial) for trial in result.trials]}}
    if length.seconds is not None:
        length = Length(seconds=max(length.seconds - spent, 0.0))
    found |= {"earlier": [asdict(one) for one in earlier], "length": asdict(length)}
    job = replace(job, origin=job.origin | found)
    return _train(job, build, length, lambda: potential or build(assignment, configuration))


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
    return _train(job, build, length, lambda: build(assignment, job.configuration))


def _train(job: Job, build: Build, length: Length, begin: Callable[[], Potential]) -> Learned:
    trials = _trials(job)
    title = str(trials[winner(trials)].assignment) if trials else ""
    potential, outcome = job.train(begin, length, title=title, checkpoint=job.checkpoint)
    learned = Learned(potential, outcome, trials, job.origin.get("start", {}).get("sentence", ""))
    return _best_of_all(learned, job, build)


def _best_of_all(learned: Learned, job: Job, build: Build) -> Learned:
    """Return what was learned with the network that did best on validation, wherever that came from."""
    earlier = map(earlier_from_plain, job.origin.get("earlier", ()))
    best = min(earlier, key=lambda one: one.score, default=None)
    proper = learned.outcome.progress
    if best is None or not best.score < proper.best_score:
        return learned
    configuration = job.configuration
    if best.small is not None:
        configuration = small_configuration(configuration, best.small)
    potential = build(best.assignment, configuration)
    weights = best_weights(beside(job.checkpoint, best.name))
    with torch.no_grad():
        for name, parameter in potential.named_parameters():
            parameter.copy_(weights[name])
    kind = "a trial" if best.small is None else "a small network"
    kept = (
        f"the training proper ({counted(proper.step, 'step')}) reached a validation score of "
        f"{proper.best_score:.3f}, worse than the {best.score:.3f} of {kind} before it "
        f"({counted(best.n_steps, 'step')}): the model is that one. Give the training more time"
    )
    return replace(learned, potential=potential, kept=kept)


def _trials(job: Job) -> tuple[Trial, ...]:
    return tuple(map(trial_from_plain, job.origin["search"]["trials"])) if "search" in job.origin else ()


def _length(job: Job) -> Length:
    configuration = job.configuration
    if configuration.steps is not None:
        return Length(n_steps=configuration.steps)
    if configuration.epochs is not None:
        return Length(
            n_steps=configuration.epochs * batches_per_epoch(job.training, configuration.batch_size)
        )
    return Length(seconds=60.0 * (configuration.time_limit_minutes or DEFAULT_TIME_LIMIT_MINUTES))
