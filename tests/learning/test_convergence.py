"""When a learning loop is converged: intervals count, and what cannot be told is not reached."""

from dataclasses import replace

import numpy as np
import pytest

from nadyn.analysis.pair_differences import paired_difference
from nadyn.learning.convergence import (
    about_endings,
    about_errors,
    about_populations,
    converged,
)
from nadyn.learning.learn_file import GoalsSection

GOALS = GoalsSection()
TIME = np.arange(4.0)


def occupations(on_one: np.ndarray) -> np.ndarray:
    return np.stack([1.0 - on_one, on_one], axis=2)


def test_a_difference_of_pairs_has_the_error_of_pairs():
    rng = np.random.default_rng(1)
    both = (rng.random((4, 4000)) < 0.5).astype(float)
    flipped = rng.random((4, 4000)) < 0.05
    found = paired_difference(TIME, occupations(both), occupations(np.where(flipped, 1 - both, both)))
    # A twentieth of the pairs differ by one: independent runs would have an error three times as large.
    assert found.error == pytest.approx(np.sqrt(0.05 / 4000), rel=0.15)
    assert found.largest < 4 * found.error


def test_the_error_covers_the_difference_as_often_as_it_says():
    rng = np.random.default_rng(2)
    inside = 0
    for _ in range(400):
        first = (rng.random((1, 60)) < 0.6).astype(float)
        second = np.where(rng.random((1, 60)) < 0.2, rng.random((1, 60)) < 0.3, first)
        # P of the second is 0.8 * 0.6 + 0.2 * 0.3 = 0.54.
        found = paired_difference(TIME[:1], occupations(first), occupations(second))
        inside += abs(found.largest - 0.06) < 1.96 * found.error
    assert 0.91 < inside / 400 <= 0.99


def test_pairs_of_which_one_is_lost_do_not_count():
    first = occupations(np.tile([0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0], (4, 1)))
    second = first.copy()
    second[:, 0] = [0.0, 1.0]
    second[2:, 0] = np.nan
    found = paired_difference(TIME, first, second)
    assert found.largest == pytest.approx(1 / 8) and found.time_fs < 2
    assert paired_difference(TIME, first, first).largest == 0.0
    assert paired_difference(TIME, first, first).error > 0.0


def test_trajectories_outside_of_the_method_are_counted_apart():
    assert about_endings(93, 7, 0, GOALS).reached is False
    found = about_endings(93, 7, 4, GOALS)
    assert found.reached is True and "4 more are outside of the method" in found.sentence
    assert about_endings(0, 0, 0, GOALS).reached is None


def test_a_difference_that_chance_explains_is_allowed_and_a_large_one_is_not():
    def answer(shift: float, n: int) -> bool | None:
        first = np.tile((np.arange(n) < n // 2).astype(float), (4, 1))
        second = np.tile((np.arange(n) < n // 2 + round(shift * n)).astype(float), (4, 1))
        return about_populations(
            [paired_difference(TIME, occupations(first), occupations(second))], "members", GOALS
        ).reached

    assert answer(0.04, 400) is True
    assert answer(0.07, 100) is True
    assert answer(0.09, 1000) is False
    assert answer(0.2, 20) is False
    assert about_populations([], "rounds", GOALS).reached is None


def test_populations_of_those_that_are_lost_on_the_way_cannot_be_told():
    first = occupations(np.tile((np.arange(20) < 10).astype(float), (4, 1)))
    second = first.copy()
    second[3, :11] = np.nan
    lost = paired_difference(TIME, first, second)
    assert not lost.to_the_end and about_populations([lost], "members", GOALS).reached is None
    second[3, :10] = first[3, :10]
    assert about_populations([paired_difference(TIME, first, second)], "members", GOALS).reached is True


def test_errors_of_few_labels_say_nothing():
    assert about_errors(np.full(3, 0.01), np.full(3, 0.1), GOALS).reached is None
    assert about_errors(np.full(20, 0.07), np.full(20, 0.2), GOALS).reached is True
    assert about_errors(np.full(20, 0.09), np.full(20, 0.2), GOALS).reached is False
    assert about_errors(np.full(20, 0.07), np.full(20, 0.3), GOALS).reached is False
    assert not converged([about_errors(np.full(3, 0.01), np.full(3, 0.1), GOALS)])


def test_a_noisy_later_time_does_not_hide_a_difference_that_is_sure():
    first = np.zeros((2, 2000))
    second = first.copy()
    # For certain 0.08 at first; later 0.085 of the few pairs that are left, which might be chance.
    second[0, :160] = 1.0
    second[1, 800:] = np.nan
    second[1, :34] = 1.0
    first[1, 400:] = np.nan
    sure = np.tile(second[:1], (2, 1))
    for other in (sure, second):
        found = paired_difference(TIME[:2], occupations(first), occupations(other))
        assert found.at_least > 0.06
        found = about_populations([replace(found, to_the_end=True)], "members", GOALS)
        assert found.reached is False


def test_where_the_source_fails_at_random_places_nobody_knows_the_errors():
    few = about_errors(np.full(20, 0.01), np.full(20, 0.1), GOALS, n_untrusted=5)
    many = about_errors(np.full(20, 0.01), np.full(20, 0.1), GOALS, n_untrusted=6)
    assert few.reached is True and many.reached is False
    assert many.sentence == "6 of 26 labels at random are not trusted"


def test_a_label_without_forces_does_not_make_their_error_unknown():
    forces = np.full(12, 0.1)
    forces[3] = np.nan
    found = about_errors(np.full(12, 0.01), forces, GOALS)
    assert found.reached is True and "0.100" in found.sentence
    assert about_errors(np.full(12, 0.01), np.full(12, np.nan), GOALS).reached is None
