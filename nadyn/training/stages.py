"""The stages of a training: surfaces first where no coupling is known, a search where `basis` is auto.

Trained on energies and forces alone, two states may never cross: an energy depends on Δ² + V² only, and to
exchange the states beyond the seam would be a step through far larger errors. But the surfaces are right away
from the tip of the cone, and their curvature tells the couplings (see `curvature_couplings`). So the training
has three stages then: energies and forces; from the beginning again with these couplings, which decides who
crosses whom; and from there on energies and forces alone, so that the approximation leaves no trace.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from nadyn.models.learned import Network
from nadyn.training.assignments import Assignment, assignments
from nadyn.training.checkpoint import beside, read_progress
from nadyn.training.configuration import TrainingConfiguration
from nadyn.training.loop import Outcome, Progress
from nadyn.training.samples import Samples, batches_per_epoch
from nadyn.training.schedule import Length
from nadyn.training.search import (
    Trial,
    search,
    seconds_of_search,
    trial_from_plain,
    trial_lengths,
    winner,
)
from nadyn.training.stage import TITLES, Job, Stage, finished
from nadyn.training.surfaces_stage import surfaces_first

# Part of the training with couplings from curvature.
_PART = 0.2
# The last stage has at least this part of a time limit.
_LAST = 0.1
# Length where neither `epochs` nor `time_limit_minutes` is given.
DEFAULT_TIME_LIMIT_MINUTES = 60.0


@dataclass(frozen=True)
class Learned:
    """What came out of all stages.

    Attributes:
        network: It holds the best averaged weights of the last stage.
        outcome: Of the last stage.
        trials: What the search over assignments has tried; empty without one.
        stages: Stages before the last; empty where there is one only.
        curvature: A sentence on couplings from curvature; empty where they were not called for.
    """

    network: Network
    outcome: Outcome
    trials: tuple[Trial, ...]
    stages: tuple[Stage, ...]
    curvature: str


def search_and_train(
    build: Callable[[Assignment | None], Network],
    training: tuple[Samples, ...],
    validation: tuple[Samples, ...],
    configuration: TrainingConfiguration,
    *,
    checkpoint: Path,
    begins_from: dict[str, dict[str, object]],
    resume: bool,
    report: Callable[[Progress], None],
) -> Learned:
    """Go through the stages that the data and the configuration ask for, and train.

    What the stages before the last have found is a part of its checkpoint. `epochs` count all stages but
    neither the trials nor the making of labels, while a time limit includes everything.

    Args:
        build: Gives an untrained network of an assignment, or that of the configuration for None.
        training: Frames to learn from.
        validation: Frames that choose the assignment and the best weights.
        configuration: All settings.
        checkpoint: Checkpoint file of the training; trials and stages have files beside it.
        begins_from: From `nadyn.training.origin`.
        resume: Go on with what the checkpoints hold.
        report: Called after each step.
    """
    job = Job(training, validation, configuration, checkpoint, begins_from, resume, report)
    length = _length(configuration, training)
    if resume and checkpoint.exists():
        return _last_stage_again(job, build, length)
    surfaces = surfaces_first(job, build, length)
    labelled, rest, stages = surfaces.with_couplings, surfaces.rest, list(surfaces.stages)
    trials: tuple[Trial, ...] = ()
    choices = assignments(training[0].energies.shape[1])
    if configuration.model.basis == "auto" and not job.is_atomic_sum and len(choices) > 1:
        # Two stages more have to fit into a time limit.
        lengths = trial_lengths(length.part(0.5) if stages else length, len(choices))
        # With couplings an assignment shows which symmetry the surfaces have.
        judged = labelled or job
        trials = search(
            choices,
            build,
            judged.training,
            judged.validation or judged.training,
            judged.configuration,
            lengths,
            checkpoint=checkpoint,
            origin=begins_from,
            resume=resume,
            report=report,
        )
        network = build(trials[winner(trials)].assignment)
        if rest.seconds is not None:
            rest = Length(seconds=rest.seconds - seconds_of_search(lengths, len(choices)))
    else:
        network = surfaces.network if surfaces.network and not labelled else build(None)
    if labelled:
        second = length.part(_PART)
        outcome = labelled.train(network, second, title=TITLES[1], checkpoint=beside(checkpoint, "stage-2"))
        stages.append(finished(TITLES[1], outcome))
        rest = rest.without(second)
    if rest.seconds is not None:
        rest = Length(seconds=max(rest.seconds, _LAST * length.seconds))
    found: dict[str, dict[str, object]] = {"length": asdict(rest)}
    if trials:
        found["search"] = {"trials": [asdict(trial) for trial in trials]}
    if surfaces.sentence:
        found["curvature"] = {"sentence": surfaces.sentence, "stages": [asdict(stage) for stage in stages]}
    return _last_stage(replace(job, origin=begins_from | found), network, rest)


def _last_stage_again(job: Job, build: Callable[[Assignment | None], Network], length: Length) -> Learned:
    """Go on with the last stage: its checkpoint holds all that the others have found."""
    stored = read_progress(job.checkpoint)["origin"]
    trials = _trials(stored)
    assignment = trials[winner(trials)].assignment if trials else None
    rest = Length(**stored["length"]) if "length" in stored else length
    return _last_stage(replace(job, origin=stored), build(assignment), rest)


def _last_stage(job: Job, network: Network, length: Length) -> Learned:
    trials, curvature = _trials(job.origin), job.origin.get("curvature")
    stages = tuple(Stage(**stage) for stage in curvature["stages"]) if curvature else ()
    title = str(trials[winner(trials)].assignment) if trials else ""
    if stages:
        title = f"{TITLES[2]}, {title}" if title else TITLES[2]
    outcome = job.train(network, length, title=title, checkpoint=job.checkpoint)
    return Learned(network, outcome, trials, stages, curvature["sentence"] if curvature else "")


def _trials(origin: dict[str, dict[str, object]]) -> tuple[Trial, ...]:
    return tuple(map(trial_from_plain, origin["search"]["trials"])) if "search" in origin else ()


def _length(configuration: TrainingConfiguration, training: tuple[Samples, ...]) -> Length:
    if configuration.epochs is not None:
        return Length(n_steps=configuration.epochs * batches_per_epoch(training, configuration.batch_size))
    return Length(seconds=60.0 * (configuration.time_limit_minutes or DEFAULT_TIME_LIMIT_MINUTES))
