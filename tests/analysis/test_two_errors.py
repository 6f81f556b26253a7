"""The interval of a mean over members: its limits, its definition by drawing, and what chance makes of it."""

import numpy as np
import pytest
from scipy.stats import t as student

from nadyn.analysis.two_errors import QUANTILE, TwoErrors, expected, half_width, two_errors


def one(*values):
    return [np.array([value], dtype=float) for value in values]


@pytest.mark.parametrize("n", [2, 3, 4, 8, 20])
def test_without_chance_it_is_students_interval_of_one_more_member(n):
    assert half_width(*one(0.03, 0.0, 0.0), n) == pytest.approx(
        0.03 * student.ppf(0.975, n - 1) * np.sqrt(1 + 1 / n), rel=1e-6
    )


def test_where_nothing_differs_it_is_the_interval_from_chance():
    assert half_width(*one(0.0, 0.0, 0.02), 4) == pytest.approx(QUANTILE * 0.02, rel=1e-9)
    assert half_width(*one(0.0, 0.05, 0.02), 4) == pytest.approx(QUANTILE * 0.02, rel=1e-9)


@pytest.mark.parametrize(
    ("between", "noise", "sampling", "n"),
    [(0.05, 0.05, 0.025, 4), (0.06, 0.03, 0.04, 3), (0.1, 0.05, 0.02, 8)],
)
def test_it_holds_95_percent_of_what_the_members_say(between, noise, sampling, n):
    rng = np.random.default_rng(1)
    variance = np.maximum(between**2 * (n - 1) / rng.chisquare(n - 1, 400_000), noise**2) - noise**2
    error = rng.standard_normal(400_000) * np.sqrt((1 + 1 / n) * variance + sampling**2)
    half = half_width(*one(between, noise, sampling), n)
    # The standard error of the part is 0.00034.
    assert np.mean(np.abs(error) < half) == pytest.approx(0.95, abs=0.0011)


@pytest.mark.parametrize("common", [0.0, 0.7])
def test_the_spread_without_chance_is_on_average_that_of_the_models(common):
    rng = np.random.default_rng(2)
    n_members, n, spread, repetitions = 4, 50, 0.1, 4000
    models = spread * rng.standard_normal((n_members, repetitions))
    shared = np.sqrt(common) * rng.standard_normal((n, repetitions))
    values = models[:, None] + shared + np.sqrt(1 - common) * rng.standard_normal((n_members, n, repetitions))
    means = values.mean(axis=1)
    centred = (values - means[:, None]) / np.sqrt(n * (n - 1))
    covariance = np.einsum("mnr,lnr->mlr", centred, centred)
    if common == 0:
        covariance = covariance * np.eye(n_members)[..., None]
    found = two_errors(means, covariance)
    seen = found.between**2 - found.noise**2
    assert seen.mean() == pytest.approx(spread**2, abs=3 * seen.std() / np.sqrt(repetitions))
    # The mean misses the models' own mean by its standard error from chance.
    missed = (found.mean - models.mean(axis=0)) ** 2
    assert missed.mean() == pytest.approx(
        (found.sampling**2).mean(), abs=3 * missed.std() / np.sqrt(repetitions)
    )
    # What members have in common makes no difference between them.
    assert (found.noise**2).mean() == pytest.approx((1 - common) / n, rel=0.05)


def test_members_with_the_same_trajectories_differ_by_no_chance():
    found = two_errors(np.array([[0.4], [0.5]]), np.full((2, 2, 1), 0.01))
    assert found.noise == 0 and found.sampling == pytest.approx(0.1)
    assert found.spread == pytest.approx(0.1 / np.sqrt(2))


def test_what_more_of_anything_is_expected_to_do():
    # No difference beyond chance: four times as many trajectories halve everything.
    alike = TwoErrors(*one(0.5, 0.025, 0.05, 0.05), 4)
    assert expected(alike, trajectories=4.0) == pytest.approx(0.5 * expected(alike))
    # No chance: half of the spread halves everything, and trajectories do nothing.
    models = TwoErrors(*one(0.5, 0.0, 0.05, 0.0), 4)
    assert expected(models, spread=0.5) == pytest.approx(0.5 * models.total)
    assert expected(models, trajectories=4.0) == pytest.approx(models.total)
    # More members make the same spread better known, from 5.0 to 2.6 of it.
    few = TwoErrors(*one(0.5, 0.0, 0.05, 0.0), 3)
    assert expected(few, n_members=6) / few.total == pytest.approx(
        student.ppf(0.975, 5) * np.sqrt(7 / 6) / student.ppf(0.975, 2) / np.sqrt(4 / 3)
    )
    # Independent trajectories on more members are more trajectories.
    chance = TwoErrors(*one(0.5, 0.05 / np.sqrt(3), 0.0, 0.05), 3)
    assert expected(chance, n_members=300) < 0.03 < QUANTILE * chance.sampling


def test_the_two_parts_add_as_squares():
    found = TwoErrors(*one(0.5, 0.03, 0.06, 0.02), 4)
    assert found.model**2 + (QUANTILE * found.sampling) ** 2 == pytest.approx(found.total**2)
