"""What every part of a training needs."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nadyn.models.potential import Potential
from nadyn.training.beginning import Beginning
from nadyn.training.build import is_atomic_sum
from nadyn.training.configuration import TrainingConfiguration
from nadyn.training.loop import train_network
from nadyn.training.progress import Outcome, Progress
from nadyn.training.ranks import ALONE, Ranks
from nadyn.training.samples import Samples
from nadyn.training.schedule import Length


@dataclass(frozen=True)
class Job:
    """What every part of a training needs; see `train_network` for the attributes.

    `beginning` is what it begins from, where that are other models.
    """

    training: tuple[Samples, ...]
    validation: tuple[Samples, ...]
    configuration: TrainingConfiguration
    checkpoint: Path
    origin: dict[str, dict[str, object]]
    resume: bool
    report: Callable[[Progress], None]
    clock: Callable[[], float] = time.monotonic
    beginning: Beginning | None = None
    ranks: Ranks = ALONE

    @property
    def n_states(self) -> int:
        """Number of states of all groups."""
        return self.training[0].energies.shape[1]

    @property
    def is_atomic_sum(self) -> bool:
        """Whether there is one surface and no diabatic matrix."""
        return is_atomic_sum(self.configuration.model, self.n_states)

    def train(
        self, build: Callable[[], Potential], length: Length, *, title: str, checkpoint: Path
    ) -> tuple[Potential, Outcome]:
        """Build a network and train it; go on from the checkpoint if that is wanted and there is one.

        To build it counts as training: it takes the descriptors of all frames.
        """
        began = self.clock()
        potential = build()
        outcome = train_network(
            potential,
            self.training,
            self.validation,
            self.configuration,
            length,
            title=title,
            checkpoint=checkpoint,
            origin=self.origin,
            resume=self.resume and checkpoint.exists(),
            report=self.report,
            clock=self.clock,
            began=began,
            ranks=self.ranks,
        )
        return potential, outcome
