"""The stages of a training: a search over assignments where `basis` is auto, then the training itself."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from nadyn.models.learned import Network
from nadyn.training.assignments import Assignment, assignments
from nadyn.training.build import is_atomic_sum
from nadyn.training.checkpoint import read_progress
from nadyn.training.configuration import TrainingConfiguration
from nadyn.training.loop import Outcome, Progress, train_network
from nadyn.training.samples import Samples, batches_per_epoch
from nadyn.training.schedule import Length
from nadyn.training.search import Trial, search, trial_from_plain, trial_length

# Length where neither `epochs` nor `time_limit_minutes` is given.
DEFAULT_TIME_LIMIT_MINUTES = 60.0


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
) -> tuple[Network, tuple[Trial, ...], Outcome]:
    """Search for an assignment where the configuration leaves it open, and train with the best.

    What the search has found is a part of the checkpoint of the training. `epochs` count without the trials,
    while a time limit includes them.

    Args:
        build: Gives an untrained network of an assignment, or that of the configuration for None.
        training: Frames to learn from.
        validation: Frames that choose the assignment and the best weights.
        configuration: All settings.
        checkpoint: Checkpoint file of the training; trials have files beside it.
        begins_from: From `nadyn.training.origin`.
        resume: Go on with what the checkpoints hold.
        report: Called after each step.
    """
    n_states = training[0].energies.shape[1]
    section = configuration.model
    length = _length(configuration, training)
    trials: tuple[Trial, ...] = ()
    if section.basis != "auto" or is_atomic_sum(section, n_states):
        network = build(None)
    elif resume and checkpoint.exists():
        stored = read_progress(checkpoint)["origin"]["search"]
        trials = tuple(trial_from_plain(trial) for trial in stored["trials"])
        network = build(trials[stored["best"]].assignment)
    else:
        choices = assignments(n_states)
        one = trial_length(length, len(choices))
        network, trials = search(
            choices,
            build,
            training,
            validation or training,
            configuration,
            one,
            checkpoint=checkpoint,
            origin=begins_from,
            resume=resume,
            report=report,
        )
        if length.seconds is not None:
            length = Length(seconds=length.seconds - len(choices) * one.seconds)
    if trials:
        best = min(range(len(trials)), key=lambda number: trials[number].score)
        stored = {"best": best, "trials": [asdict(trial) for trial in trials]}
        begins_from = begins_from | {"search": stored}
    outcome = train_network(
        network,
        training,
        validation,
        configuration,
        length,
        title=str(trials[best].assignment) if trials else "",
        checkpoint=checkpoint,
        origin=begins_from,
        resume=resume and checkpoint.exists(),
        report=report,
    )
    return network, trials, outcome


def _length(configuration: TrainingConfiguration, training: tuple[Samples, ...]) -> Length:
    if configuration.epochs is not None:
        return Length(n_steps=configuration.epochs * batches_per_epoch(training, configuration.batch_size))
    return Length(seconds=60.0 * (configuration.time_limit_minutes or DEFAULT_TIME_LIMIT_MINUTES))
