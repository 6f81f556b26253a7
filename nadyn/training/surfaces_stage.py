"""The first stage where no coupling is known: surfaces, and the couplings that their curvature tells."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from nadyn.models.learned import Network
from nadyn.training.assignments import Assignment
from nadyn.training.checkpoint import beside
from nadyn.training.configuration import TrainingConfiguration
from nadyn.training.curvature_labels import (
    FEWEST_FRAMES,
    allowed_frames,
    close_frames,
    count,
    label_or_read,
    labelled,
)
from nadyn.training.schedule import Length
from nadyn.training.stage import TITLES, Job, Stage, finished

_PART = 0.3
# The labels are an approximation: they decide who crosses whom, and need not be met.
_COUPLING_WEIGHT = 0.3


@dataclass(frozen=True)
class Surfaces:
    """What the first stage has left.

    Attributes:
        network: Trained on energies and forces; None where there was no such stage.
        stages: How it went; empty without one.
        with_couplings: The job with labelled frames; None where too few could be labelled.
        rest: What is left of the length of the training.
        sentence: On what was labelled, or why nothing was; empty where couplings are not called for.
    """

    network: Network | None
    stages: tuple[Stage, ...]
    with_couplings: Job | None
    rest: Length
    sentence: str


def surfaces_first(job: Job, build: Callable[[Assignment | None], Network], length: Length) -> Surfaces:
    """Train on energies and forces alone where no coupling is known, and label frames with that network.

    Args:
        job: The whole training.
        build: Gives the network of the configuration for None.
        length: Of the whole training.
    """
    if not _called_for(job):
        return Surfaces(None, (), None, length, "")
    n_close = sum(map(len, close_frames(job.training)))
    if n_close < FEWEST_FRAMES:
        return Surfaces(
            None, (), None, length, _sentence(f"{n_close} training frames have a gap below 2.2 eV")
        )
    if length.n_steps is not None and (reason := _too_short(job, length.n_steps)):
        return Surfaces(None, (), None, length, reason)
    first = length.part(_PART)
    network = build(None)
    outcome = job.train(network, first, title=TITLES[0], checkpoint=beside(job.checkpoint, "stage-1"))
    stages, rest = (finished(TITLES[0], outcome),), length.without(first)
    n_steps = length.n_steps or int((outcome.progress.n_steps or outcome.progress.step) / _PART)
    if reason := _too_short(job, n_steps):
        return Surfaces(network, stages, None, rest, reason)
    groups, n_training = job.training + job.validation, len(job.training)
    couplings, seconds = label_or_read(
        network,
        groups,
        n_frames=allowed_frames(n_steps, groups),
        title=f"{TITLES[1]}, frames looked at",
        path=beside(job.checkpoint, "couplings"),
        origin=job.origin,
        resume=job.resume,
        report=job.report,
    )
    if rest.seconds is not None:
        rest = rest.without(Length(seconds=seconds))
    n_labels = count(couplings[:n_training])
    if n_labels < FEWEST_FRAMES:
        reason = _sentence(f"one direction of curvature stands out in {n_labels} training frames")
        return Surfaces(network, stages, None, rest, reason)
    with_couplings = replace(
        job,
        training=labelled(job.training, couplings[:n_training]),
        validation=labelled(job.validation, couplings[n_training:]),
        configuration=_with_lighter_couplings(job.configuration),
    )
    sentence = f"couplings from curvature: {n_labels} training frames labelled for the second of three stages"
    return Surfaces(network, stages, with_couplings, rest, sentence)


def _called_for(job: Job) -> bool:
    """Tell whether two states may cross that no label couples."""
    groups = job.training + job.validation
    known = any(group.couplings is not None and not bool(group.couplings.isnan().all()) for group in groups)
    several = groups[0].energies.shape[1] > 1
    return job.configuration.curvature_couplings and several and not job.is_atomic_sum and not known


def _with_lighter_couplings(configuration: TrainingConfiguration) -> TrainingConfiguration:
    weights, noise = configuration.weights, configuration.label_noise
    weights = weights.model_copy(update={"coupling": _COUPLING_WEIGHT * weights.coupling})
    # What is given there is said of labels that the data do not have.
    noise = noise.model_copy(update={"coupling_ev_per_angstrom": None})
    return configuration.model_copy(update={"weights": weights, "label_noise": noise})


def _too_short(job: Job, n_steps: int) -> str | None:
    allowed = allowed_frames(n_steps, job.training)
    if allowed >= FEWEST_FRAMES:
        return None
    return _sentence(f"a training of {n_steps} steps leaves time for {allowed} frames")


def _sentence(reason: str) -> str:
    return f"no couplings from curvature: {reason}, and {FEWEST_FRAMES} are needed"
