"""What became of labels that were asked for, and how many trajectories stand outside of the method."""

import numpy as np

from nadyn.analysis.learning_record import SwarmRecord
from nadyn.electronic.labels import Label, Quality
from nadyn.learning.asked import asked_records, outside_method
from nadyn.learning.picks import DOUBT, RANDOM, STOP, Candidate


def label(quality: Quality, reason: str = "") -> Label:
    return Label(quality, reason, np.zeros(2))


def picks(kind: str, n: int) -> list[Candidate]:
    return [Candidate(np.zeros((2, 3)), kind, "") for _ in range(n)]


GOOD, DOUBTFUL, FAIL = (
    label(Quality.TRUSTED),
    label(Quality.DOUBTFUL, "other orbitals."),
    label(Quality.FAILED, "no end."),
)
SWARM = SwarmRecord(0, "swarm_0.h5", 100, {"finished": 60, "committee": 40}, 60)


def test_labels_are_counted_by_kind_and_quality():
    random, stop = asked_records(
        picks(RANDOM, 3) + picks(STOP, 3), [GOOD, GOOD, DOUBTFUL, FAIL, DOUBTFUL, DOUBTFUL]
    )
    assert (random.kind, random.trusted, random.doubtful, random.failed) == (RANDOM, 2, 1, 0)
    assert (stop.kind, stop.trusted, stop.doubtful, stop.failed) == (STOP, 0, 2, 1)
    assert stop.reasons == {"other orbitals.": 2, "no end.": 1}


def test_stops_stand_for_those_that_were_not_labelled():
    chosen = picks(RANDOM, 1) + picks(STOP, 8)
    # Of eight stops two are not to be labelled at this level: so are ten of forty.
    assert outside_method(chosen, [DOUBTFUL, DOUBTFUL, FAIL, *[GOOD] * 6], [SWARM]) == 10
    assert outside_method(chosen, [DOUBTFUL, *[GOOD] * 8], [SWARM]) == 0


def test_trajectories_that_went_on_in_doubt_stand_for_others_too():
    chosen = picks(DOUBT, 4) + picks(STOP, 4)
    assert outside_method(chosen, [DOUBTFUL, *[GOOD] * 4, FAIL, GOOD, GOOD], [SWARM]) == 10


def test_few_stops_stand_for_themselves_only():
    assert outside_method(picks(STOP, 3), [DOUBTFUL, GOOD, GOOD], [SWARM]) == 1
    assert outside_method([], [], [SWARM]) == 0
