"""Populations, their intervals, and what stopped trajectories do to them."""

import numpy as np
import pytest
from scipy.stats import binomtest
from synthetic_run import write_run

from nadyn.analysis import analyse
from nadyn.analysis.intervals import agresti_coull, wilson
from nadyn.analysis.key_numbers import key_numbers, note_on_stopped
from nadyn.analysis.populations import populations
from nadyn.trajectory import open_run


def test_populations_are_fractions_of_trajectories(tmp_path):
    state = np.array([[1, 1, 1, 1], [1, 0, 1, 2], [0, 0, 1, 2]])
    result = analyse(write_run(tmp_path / "run.h5", state, n_states=3))
    assert result["populations"] == [[0, 1, 0], [0.25, 0.5, 0.25], [0.5, 0.25, 0.25]]
    assert result["time_fs"] == pytest.approx([0, 1, 2])
    assert result["populations_electronic"] == result["populations"]
    assert (result["n_finished"], result["n_running"], result["n_stopped"]) == (4, 0, {})


def test_populations_are_weighted(tmp_path):
    state = np.array([[1, 1], [1, 0], [0, 0]])
    result = analyse(write_run(tmp_path / "run.h5", state, n_states=2, weight=np.array([3.0, 1.0])))
    assert result["populations"] == [[0, 1], [0.25, 0.75], [1, 0]]


@pytest.mark.parametrize(("count", "n"), [(0, 20), (1, 20), (7, 20), (20, 20), (130, 200)])
def test_the_interval_is_that_of_wilson(count, n):
    reference = binomtest(count, n).proportion_ci(method="wilson")
    low, high = wilson(np.array([count / n]), float(n))
    assert low[0] == pytest.approx(reference.low, abs=1e-12)
    assert high[0] == pytest.approx(reference.high, abs=1e-12)


@pytest.mark.parametrize(("count", "n"), [(0, 20), (3, 20), (10, 20)])
def test_of_fractions_the_interval_of_estimates_is_that_of_agresti_and_coull(count, n):
    centre, total = (count + 1.9207294) / (n + 3.8414588), n + 3.8414588
    reach = 1.959964 * np.sqrt(centre * (1 - centre) / total)
    fraction = np.array([count / n])
    low, high = agresti_coull(fraction, np.sqrt(fraction * (1 - fraction) / (n - 1)), float(n))
    own = 1.959964 * np.sqrt(count / n * (1 - count / n) / (n - 1))
    assert low[0] == pytest.approx(min(centre - reach, count / n - own), rel=1e-5)
    assert high[0] == pytest.approx(max(centre + reach, count / n + own), rel=1e-5)


@pytest.mark.parametrize("truth", [0.05, 0.3, 0.5])
@pytest.mark.parametrize("is_weighted", [False, True])
def test_ninety_five_of_a_hundred_intervals_hold_the_truth(truth, is_weighted):
    rng = np.random.default_rng(1)
    draws, n = 4000, 150
    weight = rng.uniform(0.2, 1.8, n) if is_weighted else np.ones(n)
    inside = rng.random((draws, n)) < truth
    low, high = wilson(inside @ weight / weight.sum(), weight.sum() ** 2 / (weight**2).sum())
    coverage = np.mean((low <= truth) & (truth <= high))
    # Discrete counts move the coverage by a percent or two from its nominal value.
    assert 0.925 < coverage < 0.975


def test_bounds_hold_whatever_became_of_the_stopped_trajectories(tmp_path):
    n_frames, n_traj = 4, 40
    rng = np.random.default_rng(2)
    truth = np.sort(rng.integers(0, 2, (n_frames, n_traj)), axis=0)[::-1]
    seen, last_step, status = truth.copy(), np.full(n_traj, n_frames - 1), np.zeros(n_traj, int)
    # Six stop after the first frame, all on state 1; what they did later is hidden, and extreme in both ways.
    stopped = np.nonzero(truth[0] == 1)[0][:6]
    seen[1:, stopped], last_step[stopped], status[stopped] = 1, 0, 2
    path = write_run(tmp_path / "run.h5", seen, n_states=2, status=status, last_step=last_step)
    result = analyse(path)
    assert result["n_stopped"] == {"not_finite": 6}
    assert result["n_finished"] == 34
    for fate in (0, 1):
        truth[1:, stopped] = fate
        whole = populations(open_run(write_run(tmp_path / f"{fate}.h5", truth, n_states=2)))
        assert np.all(np.array(result["populations_low"]) <= whole.low + 1e-12)
        assert np.all(np.array(result["populations_high"]) >= whole.high - 1e-12)
    # Tight: each bound is reached by one of the two fates.
    assert result["populations_high"][3][1] == pytest.approx(whole.high[3, 1], abs=1e-12)
    assert result["populations_low"][3][0] == pytest.approx(whole.low[3, 0], abs=1e-12)
    known = np.delete(truth[2], stopped)
    assert result["populations"][2][1] == pytest.approx(known.mean())


def test_a_trajectory_that_left_as_asked_keeps_its_state(tmp_path):
    state = np.array([[0, 0], [1, 0], [1, 0]])
    options = {"status": np.array([7, 0]), "last_step": np.array([1, 2])}
    result = analyse(write_run(tmp_path / "run.h5", state, n_states=2, **options))
    assert result["populations"][2] == [0.5, 0.5]
    assert result["n_finished"] == 2


def test_a_time_at_which_nothing_is_known_has_no_population(tmp_path):
    state = np.ones((3, 4), int)
    options = {"status": np.full(4, 2), "last_step": np.full(4, 1)}
    result = analyse(write_run(tmp_path / "run.h5", state, n_states=2, **options))
    assert result["populations"][2] == [None, None]
    assert result["populations_low"][2] == pytest.approx([0.0, 0.0])
    assert result["populations_high"][2] == pytest.approx([1.0, 1.0])


def test_a_mean_field_estimator_takes_the_coefficients(tmp_path):
    state = np.zeros((2, 3), int)
    coefficients = np.broadcast_to(np.sqrt([0.2, 0.8]) * 1j, (2, 3, 2))
    path = write_run(
        tmp_path / "run.h5",
        state,
        n_states=2,
        coefficients=coefficients,
        estimator="mean |c|^2 over trajectories",
    )
    assert analyse(path)["populations"][1] == pytest.approx([0.2, 0.8])


def test_populations_of_a_file_that_brings_its_own_are_their_weighted_means(tmp_path):
    rng = np.random.default_rng(5)
    # Such as those of mapping methods: beyond 0 and 1 in a single trajectory.
    values = rng.normal(0.5, 0.7, (3, 40, 2))
    weight = rng.random(40)
    state = np.zeros((3, 40), int)
    options = {"weight": weight, "estimator": "shifted actions", "populations": values}
    result = analyse(write_run(tmp_path / "run.h5", state, n_states=2, **options))
    mean = np.average(values, axis=1, weights=weight)
    np.testing.assert_allclose(result["populations"], mean, atol=1e-14)
    low, high = (np.array(result[f"populations_{end}"]) for end in ("low", "high"))
    n = weight.sum() ** 2 / (weight**2).sum()
    spread = np.sqrt(np.average((values - mean[:, None]) ** 2, axis=1, weights=weight) / (n - 1))
    # Never less than 1.96 standard errors to each side, and a little more to that of one half.
    assert (low <= mean - 1.959963 * spread).all() and (high >= mean + 1.959963 * spread).all()
    assert ((high - low) < 1.1 * 2 * 1.96 * spread).all()
    assert result["lifetimes_fs"] == {}


def test_a_stopped_trajectory_with_an_estimate_widens_the_interval_by_every_value_it_might_have(tmp_path):
    values = np.full((3, 10, 2), 0.5)
    options = {"status": np.array([2] + [0] * 9), "last_step": np.array([0] + [2] * 9), "populations": values}
    result = analyse(write_run(tmp_path / "run.h5", np.zeros((3, 10), int), n_states=2, **options))
    nine = analyse(
        write_run(tmp_path / "nine.h5", np.zeros((3, 9), int), n_states=2, populations=values[:, 1:])
    )
    assert result["populations"][2] == pytest.approx([0.5, 0.5])
    for end, more in (("low", -0.05), ("high", 0.05)):
        alone = np.array(nine[f"populations_{end}"][2])
        np.testing.assert_allclose(result[f"populations_{end}"][2], alone + more)


@pytest.mark.parametrize(("truth", "n"), [(0.01, 30), (0.05, 30), (0.95, 60), (0.4, 30), (1.0, 12)])
@pytest.mark.parametrize("kind", ["windows", "hemispheres", "mapping"])
def test_intervals_of_estimates_hold_the_truth_before_the_first_event_too(tmp_path, truth, n, kind):
    """Frames are repetitions. Estimates of 0 and 1 alone, of 0 and a weight, and beyond 0 and 1."""
    rng, draws = np.random.default_rng(8), 1000
    values = (rng.random((draws, n)) < truth).astype(float)
    if kind == "hemispheres":
        values *= 2 * rng.random((draws, n))
    if kind == "mapping":
        values = rng.normal(truth, 0.7, (draws, n))
    populations_of_states = np.stack([1 - values, values], axis=2)
    if kind == "windows":
        # Some are in no window.
        populations_of_states[rng.random((draws, n)) < 0.3] = np.nan
    state = np.zeros((draws, n), int)
    path = write_run(tmp_path / "run.h5", state, n_states=2, populations=populations_of_states)
    found = populations(open_run(path))
    holds = (found.low[:, 1] <= truth) & (truth <= found.high[:, 1])
    # With 1.96 standard errors alone it was 0.2 of windows at 1 %.
    assert holds.mean() > 0.95 - 3 * np.sqrt(0.05 * 0.95 / draws)
    assert not found.differ.any()


def test_diabatic_populations_come_with_their_standard_error(tmp_path):
    rng = np.random.default_rng(3)
    diabatic = rng.random((2, 7, 3))
    result = analyse(write_run(tmp_path / "run.h5", np.zeros((2, 7), int), n_states=2, diabatic=diabatic))
    assert np.allclose(result["diabatic_populations"], diabatic.mean(axis=1))
    mean = diabatic.mean(axis=1)
    # Half a trajectory with 0 and half a one with 1 beside the seven.
    squares = 7 * diabatic.var(axis=1) + 0.5 * mean**2 + 0.5 * (1 - mean) ** 2
    assert np.allclose(result["diabatic_populations_error"], np.sqrt(squares / (7 * 8)))


def test_the_error_of_a_mean_that_rare_trajectories_carry_covers_it(tmp_path):
    # Near a crossing one trajectory in a hundred has 0.9 and the others -0.009; frames are repetitions.
    rare = np.where(np.random.default_rng(7).random((400, 60)) < 0.01, 0.9, -0.009)
    path = write_run(
        tmp_path / "run.h5", np.zeros((400, 60), int), n_states=2, diabatic=np.stack([rare, 1 - rare], -1)
    )
    result = analyse(path)
    error = np.array(result["diabatic_populations_error"])
    off = np.array(result["diabatic_populations"]) - np.array([0.01 * 0.909 - 0.009, 1.009 - 0.01 * 0.909])
    covered = (np.abs(off) <= 1.96 * error).mean(axis=0)
    assert np.all(covered > 0.95 - 3 * np.sqrt(0.95 * 0.05 / 400))


def test_an_unknown_estimator_is_refused(tmp_path):
    path = write_run(tmp_path / "run.h5", np.zeros((2, 3), int), n_states=2, estimator="crystal ball")
    with pytest.raises(ValueError, match="`population_estimator` must be a known one, but is 'crystal ball'"):
        analyse(path)


def test_the_energy_error_says_that_a_step_which_ended_a_trajectory_is_in_it(tmp_path):
    run = open_run(write_run(tmp_path / "run.h5", np.ones((4, 5), int), n_states=2))
    numbers = analyse(run.path)

    def detail(stopped):
        shown = key_numbers(run, numbers | {"n_stopped": stopped})
        return next(number.detail for number in shown if number.name == "Energy error")

    assert detail({}) == detail({"close_atoms": 3}) == "largest, over all trajectories and steps"
    assert detail({"energy_step": 2}).endswith(
        "steps, with the 2 in which a trajectory was stopped for it; frames do not hold those"
    )


def test_populations_say_which_trajectories_they_are_of(tmp_path):
    # 40 of 100 fall to state 0 and are stopped there, as where a bond breaks; 15 others stay there.
    state = np.ones((11, 100), int)
    state[3:, :55] = 0
    stops = np.arange(100) < 40
    options = {"status": np.where(stops, 4, 0), "last_step": np.where(stops, 5, 10)}
    run = open_run(write_run(tmp_path / "run.h5", state, n_states=2, **options))
    numbers = analyse(run.path)
    assert numbers["populations"][-1] == pytest.approx([0.25, 0.75])
    assert numbers["populations_counted"] == [100] * 6 + [60] * 5
    assert numbers["populations_held"][-1] == pytest.approx([0.55, 0.45])
    assert numbers["populations_differ"][5] == [False, False]
    assert numbers["populations_differ"][-1] == [True, True]
    shown = {number.name: number.detail for number in key_numbers(run, numbers)}
    assert shown["State 0 at 10 fs"].startswith("of the 60 of 100 not stopped; 95 %: ")
    assert "55.0 % of all, the stopped ones held at their last state" in shown["State 0 at 10 fs"]
    note = note_on_stopped(run, numbers)
    assert note.startswith("Populations at 10 fs are of the 60 of 100 not stopped. ")
    assert "55.0 % instead of 25.0 % on state 0" in note


def test_stopped_trajectories_like_the_others_make_no_difference(tmp_path):
    state = np.ones((11, 100), int)
    state[3:, ::2] = 0
    options = {"status": np.where(np.arange(100) < 20, 4, 0), "last_step": np.full(100, 10)}
    options["last_step"][:20] = 5
    run = open_run(write_run(tmp_path / "run.h5", state, n_states=2, **options))
    assert note_on_stopped(run, analyse(run.path)) == "Populations at 10 fs are of the 80 of 100 not stopped."
    whole = open_run(write_run(tmp_path / "whole.h5", state, n_states=2))
    assert note_on_stopped(whole, analyse(whole.path)) == ""
    assert key_numbers(whole, analyse(whole.path))[0].detail.startswith("of all 100; ")


@pytest.mark.parametrize(("n_held", "differs"), [(31, False), (33, True)])
def test_what_is_held_differs_where_it_lies_beyond_the_interval_of_those_that_are_known(
    tmp_path, n_held, differs
):
    """Half of 60 are on the lowest state, 0.377 to 0.623 by Wilson; of 100 with those held 61 or 63 are."""
    final = np.array([0] * 30 + [1] * 30 + [0] * n_held + [1] * (40 - n_held))
    state = np.stack([np.ones(100, int), final, final])
    stopped = np.arange(100) >= 60
    path = write_run(
        tmp_path / "run.h5",
        state,
        n_states=2,
        status=np.where(stopped, 4, 0),
        last_step=np.where(stopped, 1, 2),
    )
    found = populations(open_run(path))
    assert found.mean[2, 0] == pytest.approx(0.5) and found.counted[2] == 60
    assert found.held[2, 0] == pytest.approx((30 + n_held) / 100)
    assert found.differ[2].tolist() == [differs, differs]
