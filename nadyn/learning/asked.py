"""What became of what was asked for: labels that are trusted, those that are not, and what that says."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from nadyn.analysis.learning_record import AskedRecord
from nadyn.electronic.labels import Label, Quality
from nadyn.learning.diversity import shapes
from nadyn.learning.picks import DOUBT, KINDS, STOP, Candidate

# Fewer stops with a label than this say nothing about the others.
_FEWEST_STOPS = 5


def outside_method(
    picked: Sequence[Candidate],
    labels: Sequence[Label],
    places: Float[np.ndarray, "place atom 3"],
    atomic_numbers: Sequence[int],
) -> int:
    """Return how many of all trajectories without a result stand where the level fails.

    Each is judged by the most similar geometry that was labelled where trajectories stopped or were in doubt.
    Their share alone would not do: those picked are unlike each other, and where the level fails geometries
    are the most unlike, so that a few of them fill the picks.

    Args:
        picked: What was labelled.
        labels: The labels, in their order.
        places: Where each trajectory without a result stopped or was first in doubt [bohr].
        atomic_numbers: One number an atom.
    """
    rows = [row for row, one in enumerate(picked) if one.kind in (STOP, DOUBT)]
    untrusted = np.array([labels[row].quality is not Quality.TRUSTED for row in rows], dtype=bool)
    if len(rows) < _FEWEST_STOPS:
        return min(int(untrusted.sum()), len(places))
    judges = shapes(np.stack([picked[row].positions for row in rows]), atomic_numbers)
    there = shapes(places, atomic_numbers)
    nearest = [int(np.argmin(((judges - one) ** 2).sum(axis=1))) for one in there]
    return sum(bool(untrusted[k]) for k in nearest)


def asked_records(picked: Sequence[Candidate], labels: Sequence[Label]) -> tuple[AskedRecord, ...]:
    """Return what was asked for and how much of it is trusted, by kind."""
    found = []
    for kind in KINDS:
        of_kind = [label for one, label in zip(picked, labels, strict=True) if one.kind == kind]
        if of_kind:
            found.append(asked_record(kind, of_kind))
    return tuple(found)


def asked_record(kind: str, labels: Sequence[Label]) -> AskedRecord:
    """Return how many of these labels are trusted, and what is wrong with the others."""
    counts = {quality: sum(label.quality is quality for label in labels) for quality in Quality}
    reasons: dict[str, int] = {}
    for label in labels:
        if label.quality is not Quality.TRUSTED:
            reasons[label.reason] = reasons.get(label.reason, 0) + 1
    return AskedRecord(
        kind, counts[Quality.TRUSTED], counts[Quality.DOUBTFUL], counts[Quality.FAILED], reasons
    )
