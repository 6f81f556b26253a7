"""Picks of a round: shares by kind, a fair sample at random, nothing twice."""

import numpy as np

from nadyn.learning.picks import DOUBT, GAP, RANDOM, STOP, Candidate, pick

NUMBERS = (8, 1, 1)
WATER = np.array([[0.0, 0.0, 0.0], [1.8, 0.0, 0.0], [-0.45, 1.75, 0.0]])


def stretched(by: float) -> np.ndarray:
    moved = WATER.copy()
    moved[1, 0] += by
    return moved


def candidates(**numbers: int) -> list[Candidate]:
    return [
        Candidate(stretched(0.01 * i + shift), kind, f"{kind} {i}")
        for shift, (kind, number) in enumerate(numbers.items())
        for i in range(number)
    ]


NOTHING = np.zeros((0, 3, 3))


def test_each_kind_has_its_share():
    found = pick(
        candidates(stop=50, gap=50, random=50),
        NOTHING,
        NUMBERS,
        n=20,
        shares={RANDOM: 0.2, GAP: 0.25},
        seed=1,
    )
    assert [sum(c.kind == kind for c in found) for kind in (RANDOM, GAP, STOP)] == [4, 5, 11]


def test_what_stops_leave_over_is_asked_at_small_gaps():
    found = pick(
        candidates(stop=3, gap=50, random=50), NOTHING, NUMBERS, n=20, shares={RANDOM: 0.2, GAP: 0.25}, seed=1
    )
    assert [sum(c.kind == kind for c in found) for kind in (RANDOM, GAP, STOP)] == [4, 13, 3]


def test_no_geometry_is_asked_twice_or_once_more():
    twice = candidates(stop=4) + candidates(stop=4)
    found = pick(twice, stretched(0.0)[None], NUMBERS, n=20, shares={}, seed=1)
    assert sorted(c.why for c in found) == ["stop 1", "stop 2", "stop 3"]


def test_those_at_random_are_a_fair_sample():
    many = candidates(random=40)
    drawn = np.zeros(40)
    for seed in range(400):
        for found in pick(many, stretched(0.0)[None], NUMBERS, n=8, shares={RANDOM: 1.0}, seed=seed):
            drawn[int(found.why.split()[1])] += 1
    # Each is expected 80 times; 400 draws without replacement of 8 in 40.
    assert np.abs(drawn - 80).max() < 4.5 * np.sqrt(400 * 0.2 * 0.8)
    assert pick(many, NOTHING, NUMBERS, n=8, shares={RANDOM: 1.0}, seed=3) == pick(
        many, NOTHING, NUMBERS, n=8, shares={RANDOM: 1.0}, seed=3
    )


def test_without_candidates_nothing_is_picked():
    assert pick([], NOTHING, NUMBERS, n=5, shares={}, seed=1) == []


def test_those_in_doubt_are_drawn_at_random_but_nothing_twice():
    many = candidates(doubt=20) + candidates(doubt=20)
    drawn = np.zeros(20)
    for seed in range(300):
        found = pick(many, stretched(0.0)[None], NUMBERS, n=6, shares={DOUBT: 1.0}, seed=seed)
        rows = [int(one.why.split()[1]) for one in found]
        assert len(set(rows)) == len(rows) == 6
        drawn[rows] += 1
    # The first is known already; of the others each is expected 300 * 6 / 19 times.
    assert drawn[0] == 0
    share = 6 / 19
    assert np.abs(drawn[1:] - 300 * share).max() < 4.5 * np.sqrt(300 * share * (1 - share))


def test_what_those_in_doubt_cannot_fill_goes_to_stops():
    found = pick(candidates(stop=30, doubt=1), NOTHING, NUMBERS, n=20, shares={DOUBT: 0.5}, seed=1)
    assert [sum(c.kind == kind for c in found) for kind in (DOUBT, STOP)] == [1, 19]
