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


def test_a_decay_that_is_not_exponential_shows_in_the_misfit():
    state = (TIME[:, None] < np.where(np.arange(400) < 200, 40.0, 160.0)).astype(int)
    steps = lifetimes(TIME, state, np.ones(400), n_states=2, seed=1)[1]
    clean = decaying_states(np.random.default_rng(9), n_traj=400, time=TIME, lifetimes=[50.0])
    assert steps.misfit > 0.15
    assert lifetimes(TIME, clean, np.ones(400), n_states=2, seed=1)[1].misfit < 0.08


def test_a_ladder_of_states_gives_each_its_own_lifetime():
    state = decaying_states(np.random.default_rng(6), n_traj=3000, time=TIME, lifetimes=[20.0, 60.0])
    found = lifetimes(TIME, state, np.ones(3000), n_states=3, seed=1)
    assert found[2].value == pytest.approx(20, rel=0.08)
    assert found[1].value == pytest.approx(60, rel=0.08)
    curve = decay_curve(TIME, np.array([0.0, 0.0, 1.0]), found)
    measured = (state[..., None] == np.arange(3)).mean(axis=1)
    assert np.abs(curve - measured).max() < 0.03


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
