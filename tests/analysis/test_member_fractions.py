"""Fractions over members: whether their intervals hold the truth, with pairs, weights and stops."""

import numpy as np
import pytest
from scipy.special import expit, logit, ndtri

from nadyn.analysis.member_fractions import Share, covariance_of, fractions, mean_of

pytestmark = pytest.mark.usefixtures("unchecked_annotations")


def share(value, weight=None, stopped=None):
    """A share of fractions (frame traj); the stopped ones of (frame traj) have an unknown fate."""
    value = np.asarray(value, dtype=float)
    of_all = np.ones(value.shape) if weight is None else np.broadcast_to(weight, value.shape)
    stopped = np.zeros(value.shape, bool) if stopped is None else np.broadcast_to(stopped, value.shape)
    least, most = np.where(stopped, 0.0, value)[..., None], np.where(stopped, 1.0, value)[..., None]
    return Share(value[..., None], np.where(stopped, 0.0, of_all), least, most, of_all)


def pairs(n, paired):
    return np.full((n, n), paired) | np.eye(n, dtype=bool)


def drawn(rng, populations, n, *, common):
    """Trajectories on members with these populations (repetition member); a frame is a repetition."""
    shared = np.sqrt(common) * rng.standard_normal((len(populations), n))
    return [
        (shared + np.sqrt(1 - common) * rng.standard_normal(shared.shape) < ndtri(one)[:, None]).astype(float)
        for one in populations.T
    ]


@pytest.mark.parametrize("paired", [False, True])
@pytest.mark.parametrize(
    ("population", "spread", "most"), [(0.4, 0.05, 0.975), (0.4, 0.0, 1.0), (0.1, 0.03, 0.98)]
)
def test_about_ninety_five_of_a_hundred_intervals_hold_the_truth(population, spread, most, paired):
    rng = np.random.default_rng(11)
    latent = logit(population) + spread / (population * (1 - population)) * rng.standard_normal((600, 5))
    truth = expit(latent[:, 4:])
    values = drawn(rng, expit(latent[:, :4]), 100, common=0.8 * paired)
    found = fractions([share(value) for value in values], pairs(4, paired))
    held = np.mean((found.low <= truth) & (truth <= found.high))
    # Within three standard errors of 600 repetitions; more where no difference can be seen.
    assert 0.95 - 3 * 0.0089 <= held <= min(most + 3 * 0.0089, 1.0)
    alone = np.mean((found.sampling_low <= truth) & (truth <= found.sampling_high))
    assert alone < 0.85 if spread else alone > 0.92


def test_pairs_know_the_difference_between_members_better():
    rng = np.random.default_rng(3)
    populations = np.full((200, 4), 0.4)
    values = drawn(rng, populations, 100, common=0.9)
    alike, apart = (
        fractions([share(value) for value in values], pairs(4, paired)) for paired in (True, False)
    )
    assert np.median(alike.errors.noise) < 0.7 * np.median(apart.errors.noise)
    # But what they have in common does not average out.
    assert np.median(alike.sampling_high - alike.sampling_low) > 1.5 * np.median(
        apart.sampling_high - apart.sampling_low
    )
    held = np.mean((alike.sampling_low < 0.4) & (alike.sampling_high > 0.4))
    assert abs(held - 0.95) < 3 * np.sqrt(0.95 * 0.05 / 200)


def test_the_covariance_is_that_of_the_jackknife():
    rng = np.random.default_rng(4)
    weights = [rng.uniform(0.5, 2.0, (1, 400)) for _ in range(2)]
    base = rng.uniform(size=(1, 400))
    values = [(base < 0.5).astype(float)[..., None], (base < 0.6).astype(float)[..., None]]
    means = np.stack([mean_of(*one) for one in zip(weights, values, strict=True)])
    found = covariance_of(weights, values, means, pairs(2, True))[:, :, 0, 0]
    without = np.array(
        [
            [mean_of(np.delete(w, i, axis=1), np.delete(v, i, axis=1))[0, 0] for i in range(400)]
            for w, v in zip(weights, values, strict=True)
        ]
    )
    moved = without - without.mean(axis=1, keepdims=True)
    assert found == pytest.approx(399 / 400 * moved @ moved.T, rel=0.02)
    assert (covariance_of(weights, values, means, pairs(2, False))[0, 1] == 0).all()


def test_equal_weights_do_not_matter_and_unequal_ones_count_as_fewer_trajectories():
    rng = np.random.default_rng(5)
    values = [(rng.uniform(size=(1, 60)) < 0.5).astype(float) for _ in range(3)]
    plain = fractions([share(value) for value in values], pairs(3, False))
    twice = fractions([share(value, np.full(60, 2.0)) for value in values], pairs(3, False))
    assert plain.low == pytest.approx(twice.low) and plain.high == pytest.approx(twice.high)
    uneven = fractions(
        [share(value, np.where(np.arange(60) < 6, 50.0, 1.0)) for value in values], pairs(3, False)
    )
    assert uneven.sampling_high - uneven.sampling_low > 1.8 * (plain.sampling_high - plain.sampling_low)


@pytest.mark.parametrize("paired", [False, True])
def test_an_event_that_never_happened_has_an_interval(paired):
    found = fractions([share(np.zeros((1, 50))) for _ in range(4)], pairs(4, paired))
    assert found.mean == 0 and found.low == 0
    # Of 200 independent trajectories, or of 50 if all members would see the same ones.
    assert found.high[0, 0] == pytest.approx(3.84 / (3.84 + (50 if paired else 200)), rel=1e-3)


def test_the_interval_holds_every_fate_of_stopped_trajectories():
    value = np.zeros((1, 100))
    value[0, :40] = 1.0
    stopped = np.arange(100) >= 90
    free = fractions([share(value)] * 2, pairs(2, True))
    found = fractions([share(value, stopped=stopped)] * 2, pairs(2, True))
    assert found.mean[0, 0] == pytest.approx(40 / 90)
    assert found.fate_low[0, 0] == pytest.approx(0.4) and found.fate_high[0, 0] == pytest.approx(0.5)
    assert found.low[0, 0] == pytest.approx(free.low[0, 0])
    assert found.high[0, 0] > 0.5 + (free.high - free.mean)[0, 0] * 0.97
    # Chance alone does not know of them.
    assert found.sampling_high - found.sampling_low < found.high - found.low


def test_fates_that_make_members_differ_count_for_the_model():
    value = np.zeros((1, 100))
    value[0, :50] = 1.0
    stopped = np.arange(100) >= 80
    alike = fractions([share(value)] * 3, pairs(3, True))
    found = fractions([share(value), share(value), share(value, stopped=stopped)], pairs(3, True))
    assert alike.model == pytest.approx(0) and found.model > 0.1


def test_nothing_is_said_where_more_than_half_of_one_member_are_unknown():
    value = np.ones((1, 10))
    found = fractions([share(value), share(value, stopped=np.arange(10) >= 4)], pairs(2, False))
    assert np.isnan(found.mean) and np.isnan(found.sampling_low) and np.isnan(found.members[1])
    assert found.members[0, 0, 0] == 1 and found.low < 0.3 and found.high == 1
    nothing = fractions([share(value), share(value, stopped=np.ones(10, bool))], pairs(2, False))
    assert np.isnan(nothing.mean) and np.isfinite([nothing.low, nothing.high]).all()


def test_estimates_beyond_one_keep_their_intervals():
    rng = np.random.default_rng(6)
    values = [rng.normal(1.0, 0.5, (1, 100)) for _ in range(3)]
    found = fractions([share(value) for value in values], pairs(3, False), bounded=False)
    assert found.high > 1.0
    assert found.sampling_high - found.sampling_low == pytest.approx(2 * 1.96 * 0.5 / np.sqrt(300), rel=0.15)


def test_estimates_that_are_all_alike_leave_something_open():
    """Windows of three members of which none has seen an event: 0.03 would give so in one of six cases."""
    none = [share(np.zeros((1, 20))) for _ in range(3)]
    found = fractions(none, pairs(3, False), bounded=False)
    assert found.mean == 0.0 and 0.03 < found.sampling_high < 0.1 and found.high >= found.sampling_high


def test_where_no_trajectory_has_a_vote_nothing_is_known():
    # Windows at whose second time everything is on its way between two states.
    one = share([[1.0, 0.0, 1.0], [1.0, 0.0, 1.0]], weight=[[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]])
    found = fractions([one, one], pairs(2, True))
    assert found.mean[0, 0] == pytest.approx(2 / 3) and np.isnan(found.mean[1, 0])
    assert np.isnan(found.members[:, 1, 0]).all()
