"""What became of what was asked for: labels that are trusted, those that are not, and what that says."""

from collections.abc import Sequence

from nadyn.analysis.learning_record import AskedRecord, SwarmRecord
from nadyn.electronic.labels import Label, Quality
from nadyn.learning.picks import DOUBT, KINDS, STOP, Candidate

# Fewer stops with a label than this say nothing about the others.
_FEWEST_STOPS = 5


def outside_method(
    picked: Sequence[Candidate], labels: Sequence[Label], swarms: Sequence[SwarmRecord]
) -> int:
    """Return how many of all stopped trajectories stand where the level fails, judged by those labelled.

    Trajectories that went on in doubt count as stopped.
    """
    stops = [labels[row] for row, one in enumerate(picked) if one.kind in (STOP, DOUBT)]
    untrusted = sum(label.quality is not Quality.TRUSTED for label in stops)
    if len(stops) < _FEWEST_STOPS:
        return untrusted
    n_stopped = sum(one.n - one.n_results for one in swarms)
    return round(untrusted / len(stops) * n_stopped)


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
