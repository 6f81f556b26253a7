"""Paths of trajectories through the labels of a source: kept from step to step, and in checkpoints."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch

from nadyn.checks.counts import counted
from nadyn.dynamics.run.ensemble import Ensemble
from nadyn.dynamics.run.stopping import Status
from nadyn.dynamics.state.batch import State
from nadyn.electronic.direct.model import DirectModel
from nadyn.electronic.direct.packing import ROWS, packed, unpack
from nadyn.models.model import Model

# Reasons of labels that are not trusted are many where each names its numbers.
_MOST_REASONS = 3


@dataclass
class Paths:
    """What a run does for a label source; nothing for any other model.

    Attributes:
        model: The model of the run.
        width: Bytes of a trajectory in a checkpoint, known from the first one.
    """

    model: Model
    width: int | None = field(default=None)

    def arrays(self, ensemble: Ensemble) -> dict[str, np.ndarray]:
        """Return what a checkpoint has to hold beside the state of a batch: the labels of those that go on,
        or would in a longer run."""
        if not isinstance(self.model, DirectModel):
            return {}
        rows = torch.from_numpy(np.flatnonzero(np.isin(ensemble.status, (Status.RUNNING, Status.FINISHED))))
        arrays = packed(self.model, ensemble.everyone.positions, rows, width=self.width)
        self.width = arrays[ROWS].shape[1]
        return arrays

    def go_on(self, everyone: State, arrays: Mapping[str, np.ndarray]) -> None:
        """Take up the paths of a checkpoint."""
        if isinstance(self.model, DirectModel):
            unpack(self.model, everyone.positions, arrays)
            self.width = arrays[ROWS].shape[1]

    def keep(self, running: State) -> None:
        """Forget what no trajectory goes on from."""
        if isinstance(self.model, DirectModel):
            self.model.book.keep(running.positions)

    def notices(self) -> list[str]:
        """Return what labels have cost, and why some were not trusted."""
        if not isinstance(self.model, DirectModel) or not self.model.record.n_labels:
            return []
        account = self.model.record
        sentences = [
            f"{counted(account.n_labels, 'label')} of source {self.model.name}, "
            f"{account.seconds / account.n_labels:.2g} s of a processor each."
        ]
        often = sorted(account.reasons, key=lambda reason: -account.reasons[reason])
        sentences += [
            f"{counted(account.reasons[reason], 'label')} not trusted: {reason}"
            for reason in often[:_MOST_REASONS]
        ]
        if len(often) > _MOST_REASONS:
            rest = sum(account.reasons[reason] for reason in often[_MOST_REASONS:])
            sentences.append(f"{counted(rest, 'label')} not trusted for other reasons.")
        return sentences
