"""One stage of a training: what it needs, and what is told of it when it is over."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nadyn.models.learned import Network
from nadyn.training.build import is_atomic_sum
from nadyn.training.configuration import TrainingConfiguration
from nadyn.training.loop import Outcome, Progress, train_network
from nadyn.training.samples import Samples
from nadyn.training.schedule import Length

TITLES = (
    "stage 1 of 3: energies and forces",
    "stage 2 of 3: couplings from curvature",
    "stage 3 of 3: energies and forces",
)


@dataclass(frozen=True)
class Stage:
    """A finished stage before the last.

    Attributes:
        title: What was trained on.
        n_steps: Length.
        score: Mean logarithm of the validation errors, see `validation.Errors`.
    """

    title: str
    n_steps: int
    score: float


@dataclass(frozen=True)
class Job:
    """What every stage needs; see `train_network` for the attributes."""

    training: tuple[Samples, ...]
    validation: tuple[Samples, ...]
    configuration: TrainingConfiguration
    checkpoint: Path
    origin: dict[str, dict[str, object]]
    resume: bool
    report: Callable[[Progress], None]

    @property
    def is_atomic_sum(self) -> bool:
        """Whether there is one surface and no diabatic matrix."""
        return is_atomic_sum(self.configuration.model, self.training[0].energies.shape[1])

    def train(self, network: Network, length: Length, *, title: str, checkpoint: Path) -> Outcome:
        """Train a network in place; go on from the checkpoint if that is wanted and there is one."""
        return train_network(
            network,
            self.training,
            self.validation,
            self.configuration,
            length,
            title=title,
            checkpoint=checkpoint,
            origin=self.origin,
            resume=self.resume and checkpoint.exists(),
            report=self.report,
        )


def finished(title: str, outcome: Outcome) -> Stage:
    """Return what is told of a stage."""
    return Stage(title, outcome.progress.step, outcome.progress.best_score)
