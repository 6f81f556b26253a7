"""How far a training is, and what it ends with."""

import math
from dataclasses import dataclass, field

from nadyn.training.losses import NoiseScales
from nadyn.training.quantities import QUANTITIES
from nadyn.training.validation import Errors


@dataclass
class Progress:
    """What the live table shows; one object, updated in place.

    Attributes:
        step, n_steps: Steps done and planned; `n_steps` is None while the pace is measured, and falls where a
            time limit asks for it.
        steps_per_epoch: Steps an epoch.
        loss: Running mean of the loss.
        learning_rate: Of the last step.
        seconds_a_step: Recent pace.
        history: One entry a validation: step, training noise scales and validation errors.
        title: What is trained; empty where there is nothing to tell apart.
        judged: What the errors in the history are of.
        comes_down: Whether patience ended, without progress of the validation, and the rate comes down.
    """

    step: int = 0
    n_steps: int | None = None
    steps_per_epoch: int = 1
    loss: float = math.nan
    learning_rate: float = 0.0
    seconds_a_step: float = math.nan
    best_score: float = math.inf
    best_step: int = 0
    skipped: int = 0
    history: list[dict[str, object]] = field(default_factory=list)
    title: str = ""
    judged: str = "validation"
    comes_down: bool = False


@dataclass(frozen=True)
class Outcome:
    """A finished training: the network holds the best averaged weights.

    Attributes:
        stopped_early: Whether it ended before its time, because the validation made no progress.
        seconds: How long it took, with what it took before interruptions.
    """

    progress: Progress
    stopped_early: bool
    seconds: float


def running_mean(before: float, value: float, memory: float) -> float:
    return value if math.isnan(before) else memory * before + (1.0 - memory) * value


def history_entry(progress: Progress, scales: NoiseScales, errors: Errors) -> dict[str, object]:
    return {
        "step": progress.step,
        "loss": progress.loss,
        "training_rms": {name: variance**0.5 for name, variance in scales.variances.items()},
        **{f"{quantity.name}_mae": errors.mae.get(quantity.name, []) for quantity in QUANTITIES},
        "score": errors.score,
    }
