"""Lifetimes of populations whose law is known."""

import numpy as np
import pytest
from synthetic_run import decaying_states, hop_table, write_run

from nadyn.analysis import analyse
from nadyn.analysis.at_risk import Known, occupation, with_ends
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


@pytest.mark.slow
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


def test_without_stops_the_population_is_the_fraction_on_the_state_and_with_stops_that_of_kaplan_and_meier():
    rng = np.random.default_rng(11)
    weight = rng.uniform(0.5, 2.0, 60)
    # Hops to and fro among three states.
    state = np.cumsum(rng.integers(-1, 2, (40, 60)), axis=0) % 3
    inside = state == 1
    plain = (inside * weight).sum(axis=1) / weight.sum()
    found = occupation(Known(inside, np.ones_like(inside), np.ones(60)), weight[None])[0]
    assert np.allclose(found, plain, atol=1e-12)
    exits, ends = rng.integers(1, 40, 60), rng.integers(1, 60, 60)
    frame = np.arange(40)[:, None]
    found = occupation(Known(frame < exits, frame <= ends, np.ones(60)), weight[None])[0]
    expected = [1.0]
    for now in range(1, 40):
        at_risk = weight[(exits >= now) & (ends >= now)].sum()
        left = weight[(exits == now) & (ends >= now)].sum()
        expected.append(expected[-1] * (1 - left / at_risk if at_risk else 1.0))
    assert np.allclose(found, expected, atol=1e-12)


# Mean times from a decay to the stop, and to a stop that asks for no decay [fs].
@pytest.mark.parametrize(
    ("after", "anyhow"),
    [
        pytest.param(15.0, np.inf, marks=pytest.mark.slow),
        pytest.param(np.inf, 60.0, marks=pytest.mark.slow),
        (20.0, 100.0),
    ],
)
def test_the_interval_holds_a_known_lifetime_where_trajectories_are_stopped(
    after, anyhow, unchecked_annotations
):
    """Those whose molecule has decayed are stopped soon after: the ones that are left decay late."""
    held, values = 0, []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        moment = rng.exponential(30.0, 150)
        end = moment + (rng.exponential(after, 150) if np.isfinite(after) else np.inf)
        end = np.minimum(end, rng.exponential(anyhow, 150) if np.isfinite(anyhow) else np.inf)
        state = np.where(TIME[:, None] <= end, TIME[:, None] < moment, -1)
        life = lifetimes(TIME, state, np.ones(150), n_states=2, seed=seed)[1]
        if life.value is not None:
            held += life.low <= 30.0 <= (life.high or np.inf)
            values.append(life.value)
    # No more than 5 % of 20 without a value, and 95 % of the others, with 3 standard deviations each.
    assert len(values) >= 16 and held >= len(values) - 3
    # A decay is seen up to 2 fs late.
    assert abs(np.mean(values) - 30) < 3 * np.std(values, ddof=1) / np.sqrt(len(values)) + 1.0


# Mean times to a stop in the excited state, and from the decay to a stop, in lifetimes.
@pytest.mark.parametrize(("inside", "after"), [(1.0, np.inf), (0.3, np.inf), (np.inf, 0.2), (1.0, 0.5)])
@pytest.mark.parametrize("n_points", [4, 9])
def test_those_stopped_between_frames_could_decay_until_then(inside, after, n_points):
    """Decays and stops compete between frames as far apart as 0.7 lifetimes; exact within 3 errors."""
    rng, n = np.random.default_rng(8), 200_000
    time = np.linspace(0.0, 2.0, n_points)
    decay, stop = rng.exponential(1.0, n), rng.exponential(inside, n) if np.isfinite(inside) else np.inf
    late = decay + (rng.exponential(after, n) if np.isfinite(after) else np.inf)
    end = np.where(stop < decay, stop, late)
    member = np.where(time[:, None] <= end, time[:, None] < decay, -1).astype(int)
    states, part = with_ends(time, member, end, (end < decay).astype(int))
    found = occupation(Known(states == 1, states >= 0, part), np.ones((1, n)))[0]
    # Greenwood's formula, with those whole at the second frame in the place of those at risk.
    whole = np.array([((member[k] == 1) & (end >= time[k])).sum() for k in range(n_points)])
    spread = np.exp(-time[1:]) * np.sqrt(np.cumsum((1 - np.exp(-np.diff(time))) / whole[1:]))
    assert np.all(np.abs(found[1:] - np.exp(-time[1:])) < 3 * spread)


def test_a_decay_just_before_a_stop_counts(tmp_path):
    """All are stopped a step after their hop, and before the next frame: no frame shows them on state 0."""
    rng = np.random.default_rng(2)
    n, every = 600, 4
    moment = np.minimum(rng.exponential(100.0, n).astype(int), 798)
    # A hop in the last step before a frame would show in it.
    moment -= moment % every == every - 1
    frames = np.arange(201)
    state = np.broadcast_to((frames[:, None] >= 0).astype(int), (201, n)).copy()
    hops = hop_table(state)
    hops = {name: np.zeros(n, column.dtype) for name, column in hops.items()}
    hops |= {
        "step": moment + 1,
        "traj": np.arange(n),
        "from_state": np.ones(n, int),
        "accepted": np.ones(n, int),
    }
    path = write_run(
        tmp_path / "run.h5",
        state,
        n_states=2,
        write_every=every,
        hops=hops,
        status=np.full(n, 4),
        last_step=moment + 1,
    )
    life = analyse(path)["lifetimes_fs"]["1"]
    assert life["low"] < 100 < life["high"]
    assert life["value"] == pytest.approx(100, rel=0.15)


def test_the_lifetime_of_a_run_with_few_frames_counts_the_time_until_each_stop(tmp_path):
    """A lifetime of 40 fs, stops in the excited state after 80 fs in the mean, frames every 20 fs."""
    rng, n, every = np.random.default_rng(3), 6000, 40
    decay, stop = rng.geometric(1 / 80, n), rng.geometric(1 / 160, n)
    last = np.where(stop < decay, stop, 10 * every)
    state = (np.arange(0, 10 * every + 1, every)[:, None] < decay).astype(int)
    left = np.nonzero(decay <= np.minimum(last, 10 * every))[0]
    hops = {name: np.zeros(len(left), column.dtype) for name, column in hop_table(state).items()}
    hops |= {"step": decay[left], "traj": left, "from_state": np.ones(len(left), int)}
    hops["accepted"] = np.ones(len(left), int)
    status = np.where(last < 10 * every, 4, 0)
    path = write_run(
        tmp_path / "run.h5",
        state,
        n_states=2,
        dt_fs=0.5,
        write_every=every,
        hops=hops,
        status=status,
        last_step=np.minimum(last, 10 * every),
    )
    assert analyse(path)["lifetimes_fs"]["1"]["value"] == pytest.approx(40.0, rel=0.05)


def test_no_lifetime_where_most_were_stopped_before_they_left(tmp_path):
    state = decaying_states(np.random.default_rng(4), n_traj=100, time=TIME, lifetimes=[50.0])
    state[3:, :60] = -1
    life = lifetimes(TIME, state, np.ones(100), n_states=2, seed=1)[1]
    assert life.value is None
    assert life.reason.endswith("of 100 trajectories were stopped on it, too many for a fit")


def test_the_interval_holds_whatever_became_of_those_stopped_in_the_state(unchecked_annotations):
    state = decaying_states(np.random.default_rng(3), n_traj=400, time=TIME, lifetimes=[50.0])
    stopped = state.copy()
    stopped[10:, :40] = -1
    life = lifetimes(TIME, stopped, np.ones(400), n_states=2, seed=1)[1]
    for fate in (0, 1):
        fated = np.where(stopped < 0, np.where(state[9] == 1, fate, 0), stopped)
        bounds = lifetimes(TIME, fated, np.ones(400), n_states=2, seed=1)[1]
        assert life.low <= bounds.low and bounds.high <= life.high
    whole = lifetimes(TIME, state, np.ones(400), n_states=2, seed=1)[1]
    assert life.high - life.low > 1.3 * (whole.high - whole.low)
