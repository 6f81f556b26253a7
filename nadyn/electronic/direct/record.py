"""Answers of a label source, kept by the very bits of the geometries they belong to."""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from nadyn.electronic.direct.places import Place
from nadyn.electronic.labels import Known, Quality


@dataclass
class Record:
    """What was asked so far.

    Attributes:
        n_labels: Number of labels.
        seconds: Their processor time.
        reasons: Why some were not trusted, and how many.
        places: Labels that paths go on from, by the bits of their geometries.
        origins: Where the path came from.
        anchor: The first trusted label, from which those of all starts begin.
    """

    n_labels: int = 0
    seconds: float = 0.0
    reasons: dict[str, int] = field(default_factory=dict)
    places: dict[bytes, Place] = field(default_factory=dict)
    origins: dict[bytes, bytes] = field(default_factory=dict)
    anchor: Known | None = None

    def note(self, place: Place) -> None:
        """Count a label that is not trusted, also one whose doubt does not concern the trajectory."""
        if place.quality != Quality.TRUSTED:
            self.reasons[place.reason] = self.reasons.get(place.reason, 0) + 1
        elif place.passed_over:
            reason = f"passed over, {place.passed_over}"
            self.reasons[reason] = self.reasons.get(reason, 0) + 1

    def quality(self, key: bytes) -> Quality:
        """Return the quality of a label; trusted where nothing was asked."""
        return self.places[key].quality if key in self.places else Quality.TRUSTED


def is_finite(positions: Tensor) -> bool:
    return bool(torch.isfinite(positions).all())


def keys_of(positions: Tensor) -> list[bytes]:
    return [key_of(row) for row in positions.detach().numpy()]


def key_of(positions: np.ndarray) -> bytes:
    return np.ascontiguousarray(positions).tobytes()
