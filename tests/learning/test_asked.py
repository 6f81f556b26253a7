"""What became of labels that were asked for, and how many trajectories stand outside of the method."""

import numpy as np

from nadyn.electronic.labels import Label, Quality
from nadyn.learning.asked import asked_records, outside_method
from nadyn.learning.picks import DOUBT, RANDOM, STOP, Candidate, pick


def label(quality: Quality, reason: str = "") -> Label:
    return Label(quality, reason, np.zeros(2))


def picks(kind: str, n: int) -> list[Candidate]:
    return [Candidate(np.zeros((2, 3)), kind, "") for _ in range(n)]


GOOD, DOUBTFUL, FAIL = (
    label(Quality.TRUSTED),
    label(Quality.DOUBTFUL, "other orbitals."),
    label(Quality.FAILED, "no end."),
)
HYDROGEN = (1, 1)


def test_labels_are_counted_by_kind_and_quality():
    random, stop = asked_records(
        picks(RANDOM, 3) + picks(STOP, 3), [GOOD, GOOD, DOUBTFUL, FAIL, DOUBTFUL, DOUBTFUL]
    )
    assert (random.kind, random.trusted, random.doubtful, random.failed) == (RANDOM, 2, 1, 0)
    assert (stop.kind, stop.trusted, stop.doubtful, stop.failed) == (STOP, 0, 2, 1)
    assert stop.reasons == {"other orbitals.": 2, "no end.": 1}


def stretched(*lengths: float) -> np.ndarray:
    return np.array([[[0.0, 0.0, 0.0], [length, 0.0, 0.0]] for length in lengths])


def at(kind: str, *lengths: float) -> list[Candidate]:
    return [Candidate(one, kind, "") for one in stretched(*lengths)]


def test_each_trajectory_without_a_result_is_judged_by_the_most_similar_label():
    chosen = at(RANDOM, 5.0) + at(STOP, 2.0, 2.1, 2.2) + at(DOUBT, 4.0, 6.0)
    labels = [GOOD, GOOD, GOOD, DOUBTFUL, FAIL, GOOD]
    # Labels at random tell nothing of stops, whether trusted or not.
    assert outside_method(chosen, labels, stretched(2.0, 2.09, 2.19, 4.1, 4.5, 9.0), HYDROGEN) == 3
    assert outside_method(chosen, [DOUBTFUL, *labels[1:]], stretched(4.5, 2.0), HYDROGEN) == 1
    assert outside_method(chosen, labels, np.zeros((0, 2, 3)), HYDROGEN) == 0


def test_a_few_far_geometries_that_fill_the_picks_do_not_stand_for_the_many_near_ones():
    rng = np.random.default_rng(1)
    fine, beyond = rng.normal(2.0, 0.01, 400), rng.uniform(3.0, 9.0, 80)
    everything = np.concatenate([fine, beyond])
    chosen = pick(at(STOP, *everything), np.zeros((0, 2, 3)), HYDROGEN, n=80, shares={}, seed=1)
    labels = [FAIL if one.positions[1, 0] > 2.5 else GOOD for one in chosen]
    assert sum(one is FAIL for one in labels) > 0.5 * len(labels)
    assert outside_method(chosen, labels, stretched(*everything), HYDROGEN) == 80


def test_few_stops_stand_for_themselves_only():
    chosen = at(STOP, 2.0, 3.0, 4.0)
    assert outside_method(chosen, [DOUBTFUL, GOOD, GOOD], stretched(*[2.0] * 9), HYDROGEN) == 1
    assert outside_method([], [], stretched(2.0), HYDROGEN) == 0
    # Labels of others do not make more trajectories than there are.
    assert outside_method(chosen, [DOUBTFUL, DOUBTFUL, FAIL], stretched(2.0), HYDROGEN) == 1
