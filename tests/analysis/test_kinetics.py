"""Lifetimes of populations whose law is known."""

import numpy as np
import pytest
from synthetic_run import decaying_states, write_run

from nadyn.analysis import analyse
from nadyn.analysis.kinetics import decay_curve, lifetimes

TIME = np.arange(0.0, 201.0, 2.0)


def test_the_interval_holds_a_known_lifetime_in_most_repetitions(unchecked_annotations):
    held, values = 0, []
    for seed in range(20):
        state = decaying_states(np.random.default_rng(seed), n_traj=150, time=TIME, lifetimes=[50.0])
        life = lifetimes(TIME, state, np.ones(150), n_states=2, seed=seed)[1]
        held += life.low <= 50.0 <= life.high
        values.append(life.value)
    # 95 % of 20, less 3 standard deviations of the binomial count.
    assert held >= 17
    assert abs(np.mean(values) - 50) < 3 * np.std(values, ddof=1) / np.sqrt(20) + 1.5


def test_a_delay_is_told_from_the_decay():
    rng = np.random.default_rng(5)
    moment = 40 + rng.exponential(25.0, 3000)
    state = (TIME[:, None] < moment).astype(int)
    life = lifetimes(TIME, state, np.ones(3000), n_states=2, seed=1)[1]
    assert life.delay == pytest.approx(40, abs=1.5)
    assert life.value == pytest.approx(25, abs=1.5)
    assert life.low < 25 < life.high


def test_a_decay_that_is_not_exponential_has_no_lifetime_but_a_sentence():
    state = (TIME[:, None] < np.where(np.arange(400) < 200, 40.0, 160.0)).astype(int)
    steps = lifetimes(TIME, state, np.ones(400), n_states=2, seed=1)[1]
    clean = decaying_states(np.random.default_rng(9), n_traj=400, time=TIME, lifetimes=[50.0])
    assert steps.value is None
    assert steps.reason == f"the population does not fall exponentially (misfit {steps.misfit:.2f})"
    assert steps.misfit > 0.15
    assert lifetimes(TIME, clean, np.ones(400), n_states=2, seed=1)[1].misfit < 0.08


def test_only_the_state_in_which_trajectories_start_has_a_lifetime():
    state = decaying_states(np.random.default_rng(6), n_traj=3000, time=TIME, lifetimes=[20.0, 60.0])
    # A tenth starts lower, and two states above and between are never or hardly reached.
    state[:, :300] = np.minimum(state[:, :300], 1)
    found = lifetimes(TIME, state, np.ones(3000), n_states=5, seed=1)
    assert list(found) == [2]
    assert found[2].value == pytest.approx(20, rel=0.08)
    measured = (state == 2).mean(axis=1)
    assert np.abs(decay_curve(TIME, 0.9, found[2]) - measured).max() < 0.03


def test_chance_alone_makes_few_lifetimes_of_an_exponential_law_disappear(unchecked_annotations):
    refused = 0
    for seed in range(40):
        state = decaying_states(np.random.default_rng(seed), n_traj=30, time=TIME, lifetimes=[50.0])
        refused += lifetimes(TIME, state, np.ones(30), n_states=2, seed=seed)[1].value is None
    # 5 % of 40, and 3 standard deviations of the binomial count.
    assert refused <= 2 + 3 * np.sqrt(40 * 0.05 * 0.95)


def test_weights_count_as_repeated_trajectories(unchecked_annotations):
    state = decaying_states(np.random.default_rng(7), n_traj=400, time=TIME, lifetimes=[50.0])
    weight = np.where(np.arange(400) < 100, 2.0, 1.0)
    repeated = np.concatenate([state, state[:, :100]], axis=1)
    weighted = lifetimes(TIME, state, weight, n_states=2, seed=1)[1]
    assert weighted.value == pytest.approx(
        lifetimes(TIME, repeated, np.ones(500), n_states=2, seed=1)[1].value
    )


def test_no_lifetime_without_a_decay_but_a_reason(tmp_path):
    state = np.ones((30, 50), int)
    state[20:, :3] = 0
    found = analyse(write_run(tmp_path / "run.h5", state, n_states=2))["lifetimes_fs"]["1"]
    assert found["value"] is None
    assert found["reason"] == "3 of 50 trajectories had left it after 29 fs, too few for a fit"


def test_a_ground_state_has_no_lifetime(tmp_path):
    assert analyse(write_run(tmp_path / "run.h5", np.zeros((9, 5), int), n_states=2))["lifetimes_fs"] == {}


def test_stopped_trajectories_leave_the_lifetime_unbiased():
    rng = np.random.default_rng(8)
    state = decaying_states(rng, n_traj=4000, time=TIME, lifetimes=[50.0])
    end = rng.uniform(0, 400, 4000)
    state = np.where(TIME[:, None] <= end, state, -1)
    life = lifetimes(TIME, state, np.ones(4000), n_states=2, seed=1)[1]
    assert life.low < 50 < life.high


def test_the_interval_holds_whatever_became_of_the_stopped(unchecked_annotations):
    state = decaying_states(np.random.default_rng(3), n_traj=400, time=TIME, lifetimes=[50.0])
    stopped = state.copy()
    stopped[10:, :40] = -1
    life = lifetimes(TIME, stopped, np.ones(400), n_states=2, seed=1)[1]
    for fate in (0, 1):
        fated = lifetimes(TIME, np.where(stopped < 0, fate, stopped), np.ones(400), n_states=2, seed=1)[1]
        assert life.low <= fated.low and fated.high <= life.high
    whole = lifetimes(TIME, state, np.ones(400), n_states=2, seed=1)[1]
    assert life.high - life.low > 1.3 * (whole.high - whole.low)
