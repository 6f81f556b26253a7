"""Runs from the same starts: which trajectories are pairs, what differs between them, how sure that is."""

import json

import numpy as np
import pytest
from synthetic_run import hop_table, write_run

from nadyn.analysis.pair_differences import fates_of, paired_difference
from nadyn.analysis.pairs import first_hops_down, paired
from nadyn.analysis.pairs_of_mean import mean_beside
from nadyn.checks.errors import InputError
from nadyn.cli.main import main
from nadyn.trajectory import open_run

NUMBERS = np.array([6, 1, 1, 1, 1])


def positions(n_frames: int, n_traj: int) -> np.ndarray:
    start = np.random.default_rng(0).normal(size=(n_traj, 5, 3)) + 3.0 * np.arange(5)[None, :, None]
    return np.broadcast_to(start, (n_frames, n_traj, 5, 3)).copy()


def falling(at: list[int], n_frames: int = 21) -> np.ndarray:
    """States of trajectories that fall from 1 to 0 at these frames; never where it is beyond the last."""
    return (np.arange(n_frames)[:, None] < np.array(at)[None, :]).astype(int)


def write(path, at: list[int], *, ends: list[int] | None = None, ending: int = 2, **keys: object):
    state = falling(at)
    last = None if ends is None else np.array(ends)
    status = None if ends is None else np.where(last < 20, ending, 0)
    given = {"positions": positions(21, len(at)), "atomic_numbers": NUMBERS, **keys}
    return write_run(
        path, state, **{"n_states": 2, "dt_fs": 0.5, "last_step": last, "status": status, **given}
    )


def test_a_run_differs_in_nothing_from_itself(tmp_path):
    one = write(tmp_path / "a.h5", [3, 7, 40, 12, 5, 18])
    found = paired(one, one)
    assert found.n == 6
    assert found.difference.largest == found.difference.at_least == 0.0
    assert found.difference.error > 0.0
    assert (found.n_hopped_in_both, found.n_hopped_in_either, found.median_lag_fs) == (5, 5, 0.0)
    assert found.products[0] == found.products[1]


def test_differences_are_of_the_second_from_the_first(tmp_path):
    # Two of ten fall 4 fs later in the second run, one never does.
    first = write(tmp_path / "a.h5", [6] * 10)
    second = write(tmp_path / "b.h5", [6] * 7 + [14, 14, 40])
    found = paired(first, second)
    frame = 10
    assert found.time_fs[frame] == 5.0
    np.testing.assert_allclose(found.populations[0][frame], [1.0, 0.0])
    np.testing.assert_allclose(found.populations[1][frame], [0.7, 0.3])
    np.testing.assert_allclose(found.mean[frame], [-0.3, 0.3])
    # Variance of ten differences of which three are one, as if half of another were.
    np.testing.assert_allclose(found.error[frame], np.sqrt((10 * 0.21 + 0.5) / 10 / 10))
    assert found.difference.largest == pytest.approx(0.3)
    assert 3.0 <= found.difference.time_fs < 7.0
    assert (found.n_hopped_in_both, found.n_hopped_in_either) == (9, 10)
    assert found.median_lag_fs == 0.0
    assert found.n_near_hops == 9
    late = paired(first, write(tmp_path / "c.h5", [17] * 10))
    assert late.median_lag_fs == pytest.approx(5.5)
    assert late.n_near_hops == 0


def test_a_pair_that_has_lost_one_says_nothing_from_then_on(tmp_path):
    first = write(tmp_path / "a.h5", [6] * 10)
    # Stopped at 2 fs, before the hop at 3 fs of the other run.
    second = write(tmp_path / "b.h5", [6] * 10, ends=[4] * 2 + [20] * 8)
    found = paired(first, second)
    assert found.n_known[[0, 4, 5, 20]].tolist() == [10, 10, 8, 8]
    assert (found.n_hopped_in_both, found.n_hopped_in_either, found.n_hops_unknown) == (8, 8, 2)
    lost = paired(first, write(tmp_path / "c.h5", [6] * 10, ends=[4] * 6 + [20] * 4))
    assert not lost.difference.to_the_end
    # Where no pair is left there is no difference, and not one of zero.
    none = paired(first, write(tmp_path / "d.h5", [6] * 10, ends=[4] * 10))
    assert np.isnan(none.mean[5:]).all() and np.isnan(none.error[5:]).all()
    assert none.numbers()["difference"][20] == [None, None]


def test_a_partner_that_was_stopped_early_may_have_hopped(tmp_path):
    first = write(tmp_path / "a.h5", [3] + [40] * 9)
    second = write(tmp_path / "b.h5", [40] * 10, ends=[5] * 5 + [20] * 5)
    found = paired(first, second)
    assert (found.n_hopped_in_either, found.n_hops_unknown) == (0, 1)
    followed = paired(first, write(tmp_path / "c.h5", [40] * 10))
    assert (followed.n_hopped_in_either, followed.n_hops_unknown) == (1, 0)


def test_a_molecule_that_fell_apart_will_not_hop_any_more(tmp_path):
    first = write(tmp_path / "a.h5", [3] + [40] * 9)
    second = write(tmp_path / "b.h5", [40] * 10, ends=[5] * 5 + [20] * 5, ending=8)
    found = paired(first, second)
    assert (found.n_hopped_in_either, found.n_hops_unknown) == (1, 0)
    assert found.n_known[20] == 10


def test_times_at_which_fewer_than_half_of_the_pairs_are_left_do_not_count(tmp_path):
    first = write(tmp_path / "a.h5", [40] * 16)
    second = write(tmp_path / "b.h5", [40] * 10 + [12] * 6, ends=[10] * 10 + [20] * 6)
    found = paired(first, second)
    assert found.n_known[20] == 6
    assert not found.difference.to_the_end
    assert (found.difference.largest, found.difference.n_times) == (0.0, 11)


def test_first_hops_down_are_accepted_ones_and_down(tmp_path):
    """From 1 up to 2 at 2 fs, and down from there at 5 fs; a hop that was refused at 1 fs is none."""
    state = np.ones((21, 6), int)
    state[4:] = 2
    state[10:] = 0
    hops = hop_table(state)
    refused = {name: values[:1].copy() for name, values in hops.items()}
    refused |= {"step": np.array([2]), "to_state": np.array([0]), "accepted": np.array([0])}
    hops = {name: np.concatenate([refused[name], hops[name]]) for name in hops}
    given = {"n_states": 3, "dt_fs": 0.5, "positions": positions(21, 6), "atomic_numbers": NUMBERS}
    run = open_run(write_run(tmp_path / "a.h5", state, hops=hops, **given))
    np.testing.assert_allclose(first_hops_down(run, 10.0), 5.0)
    assert np.isnan(first_hops_down(run, 4.0)).all()


def test_a_molecule_that_stays_whole_has_one_name_beside_fragments_or_not(tmp_path):
    corners = np.array([[1.0, 1, 1], [1.0, -1, -1], [-1.0, 1, -1], [-1.0, -1, 1]])
    methane = np.concatenate([np.zeros((1, 3)), 1.19 * corners])
    still = np.broadcast_to(methane, (21, 6, 5, 3)).copy()
    torn = still.copy()
    torn[10:, 0, 4] *= 8.0
    first = write(tmp_path / "a.h5", [3] * 6, positions=torn)
    second = write(tmp_path / "b.h5", [3] * 6, positions=still)
    assert paired(first, second).products == ({"CH3 + H": 1, "CH4": 5}, {"CH4": 6})


def test_of_few_pairs_nothing_is_said(tmp_path):
    found = paired(write(tmp_path / "a.h5", [3] * 4), write(tmp_path / "b.h5", [40] * 4))
    assert found.difference.n_times == 0 and not found.difference.to_the_end
    assert found.numbers()["largest"] is None


def test_a_smaller_run_is_paired_as_far_as_it_goes(tmp_path):
    first = write(tmp_path / "a.h5", [6] * 10)
    second = write(tmp_path / "b.h5", [6] * 6, positions=positions(21, 10)[:, :6], n_frames_written=13)
    found = paired(first, second)
    assert (found.n, len(found.time_fs)) == (6, 13)
    # Of a run that wrote every second step these times count.
    hops = hop_table(falling([3] * 10), write_every=2)
    coarse = write(tmp_path / "c.h5", [3] * 10, write_every=2, hops=hops)
    found = paired(first, coarse)
    np.testing.assert_allclose(found.time_fs, np.arange(11.0))
    assert found.difference.largest == 0.0
    assert (found.n_hopped_in_both, found.median_lag_fs) == (10, 0.0)


def falling_at_random(rng: np.random.Generator, time: np.ndarray, n: int) -> np.ndarray:
    """Three states, from the highest down, of trajectories of which a quarter is stopped on the way."""
    state = sum((time[:, None] < rng.exponential(mean, n)[None]).astype(int) for mean in (30.0, 15.0))
    values = (state[..., None] == np.arange(3)).astype(float)
    values[time[:, None] > rng.exponential(200.0, n)[None]] = np.nan
    return values


def test_two_runs_that_are_alike_differ_for_certain_in_one_of_twenty():
    rng, time = np.random.default_rng(5), np.arange(0.0, 100.0, 2.0)
    n_sure = 0
    for _ in range(400):
        found = paired_difference(time, *(falling_at_random(rng, time, 40) for _ in range(2)))
        n_sure += found.at_least > 0.0
    # 20 are expected, within three standard errors. With one error for all draws there were 42.
    assert n_sure <= 33


def two_states(moments: np.ndarray, time: np.ndarray) -> np.ndarray:
    up = (time[:, None] < moments[None]).astype(float)
    return np.stack([1.0 - up, up], axis=2)


def test_runs_that_are_alike_are_so_where_those_that_have_fallen_are_stopped():
    """Of the second run four of ten are stopped 8 fs after they have come down, where little is known."""
    rng, time = np.random.default_rng(3), np.arange(0.0, 100.0, 4.0)
    n_sure = n_sure_of_known = 0
    for _ in range(100):
        moments = rng.exponential(60.0, (2, 200))
        first, second = (two_states(one, time) for one in moments)
        second[(time[:, None] > moments[1] + 8.0) & (rng.random(200) < 0.4)] = np.nan
        found = paired_difference(time, first, second)
        n_sure += found.at_least > 0.0
        n_sure_of_known += found.at_least_of_known > 0.0
    # Five are expected at most, within three standard errors; those that are left are another matter.
    assert n_sure <= 11 and n_sure_of_known > 30


def test_a_difference_that_no_fate_can_undo_is_seen():
    """All of the first run stay up, all but a tenth of the second are seen to fall."""
    time = np.arange(0.0, 20.0, 2.0)
    first, second = two_states(np.full(100, 90.0), time), two_states(np.full(100, 9.0), time)
    second[3:, :10] = np.nan
    found = paired_difference(time, first, second)
    assert found.largest == 1.0 and found.to_the_end
    assert 0.8 < found.at_least < 0.9 < found.at_least_of_known < 1.0
    # What it might be: the smallest and the largest value of each state, 0 and 1 at least.
    second[0, 20] = [-0.3, 1.3]
    least, most = fates_of(second)
    np.testing.assert_allclose(least[5, 0], [-0.3, 0.0])
    np.testing.assert_allclose(most[5, 0], [1.0, 1.3])
    np.testing.assert_array_equal(least[:, 30], second[:, 30])


def test_a_difference_of_a_quarter_is_seen():
    rng, time = np.random.default_rng(5), np.arange(0.0, 100.0, 2.0)
    moments = rng.exponential(20.0, 200), rng.exponential(45.0, 200)
    first, second = (
        np.stack([1.0 - up, up], axis=2) for up in ((time[:, None] < m[None]).astype(float) for m in moments)
    )
    assert 0.1 < paired_difference(time, first, second).at_least < 0.35


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"positions": positions(21, 4) + 0.01}, r"starts differ by 0\.0053 Å"),
        ({"atomic_numbers": np.array([7, 1, 1, 1, 1])}, "the same atoms"),
        ({"dt_fs": 0.3, "n_frames_written": 5}, "two times at least"),
        ({"momenta": np.full((21, 4, 5, 3), 0.1)}, r"momenta differ by 0\.1 au"),
        ({"masses": np.array([13.0, 1, 1, 1, 1]) * 1822.9}, "the same isotopes"),
        ({"weight": np.array([1.0, 2, 1, 1])}, "unequal weights"),
        ({"at": [0] * 4}, "on other states"),
    ],
)
def test_what_are_no_pairs_is_refused(tmp_path, keys, sentence):
    masses = np.array([12.0, 1, 1, 1, 1]) * 1822.9
    first = write(tmp_path / "a.h5", [6] * 4, masses=masses)
    second = write(tmp_path / "b.h5", keys.pop("at", [6] * 4), **{"masses": masses, **keys})
    with pytest.raises(InputError, match=sentence):
        paired(first, second)


def test_the_mean_of_members_is_taken_pair_by_pair(tmp_path):
    """Members whose trajectories differ in opposite ways differ in the mean by nothing, surely."""
    direct = write(tmp_path / "a.h5", [6] * 12)
    early, late = (
        write(tmp_path / "b.h5", [2] * 12),
        write(tmp_path / "c.h5", [10] * 12, ends=[20] * 11 + [4]),
    )
    found = mean_beside(direct, [early, late])
    np.testing.assert_allclose(found.mean[3], [0.5, -0.5])
    np.testing.assert_allclose(found.mean[8], [-0.5, 0.5])
    # Four pairs of which all differ by a half, as if half a pair more had differed by one.
    np.testing.assert_allclose(found.error[3], np.sqrt(0.5 / 12 / 12))
    # One pair is not known in one of the runs any more.
    assert found.n_known[[3, 8]].tolist() == [12, 11]
    np.testing.assert_allclose(found.populations[1][3], [0.5, 0.5])
    np.testing.assert_allclose(found.members[:, 3], [[1.0, 0.0], [0.0, 1.0]])
    assert found.difference.largest == pytest.approx(0.5) and found.difference.time_fs == 1.0
    # What one member has lost, the other still knows: nine of twelve differ by one, three by a half at least.
    half = mean_beside(direct, [early, write(tmp_path / "d.h5", [2] * 12, ends=[20] * 9 + [1] * 3)])
    # A difference of 0.875 with its error; had the mean been anything, it would be 0.75.
    assert half.difference.largest == 1.0
    assert 0.6 < half.difference.at_least < 0.75 < half.difference.at_least_of_known < 0.9
    alone = mean_beside(direct, [early])
    one = paired(direct, early)
    np.testing.assert_allclose(alone.mean, one.mean)
    np.testing.assert_allclose(alone.error, one.error)
    assert alone.difference == one.difference


def test_the_command_prints_writes_and_draws(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "direct.h5", [6] * 10)
    write(tmp_path / "learned.h5", [6] * 7 + [14, 14, 40])
    with pytest.raises(SystemExit) as ended:
        main(["compare", "direct.h5", "learned.h5", "direct.h5", "--json", "x.json", "--figure", "x.png"])
    assert ended.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "learned.h5 beside direct.h5: 10 pairs, 10 fs" in text
    assert "differ by at most 0.300 ± 0.161 (state" in text
    assert "10 whole (of all its trajectories that ended)" in text
    # The mean of a run that differs and one that does not.
    assert "mean of the 2 runs: differ by at most 0.150 ±" in text
    assert "in 9 of 10 pairs in both, 0.0 fs apart in the median, 9 of them within 5 fs" in text
    numbers = json.loads((tmp_path / "x.json").read_text())
    *one_by_one, together = numbers
    assert [one["run"] for one in one_by_one] == ["learned.h5", "direct.h5"]
    assert together["mean_of"] == 2 and together["difference"][10] == pytest.approx([-0.15, 0.15])
    assert together["members"][0][10] == pytest.approx([0.7, 0.3])
    assert numbers[0]["largest"]["largest"] == pytest.approx(0.3)
    assert numbers[0]["difference"][10] == pytest.approx([-0.3, 0.3])
    assert (tmp_path / "x.png").stat().st_size > 5000
    with pytest.raises(SystemExit) as ended:
        main(["compare", "direct.h5", "learned.h5", "--figure", "x.csv"])
    assert ended.value.code == 2


def test_what_decides_a_trajectory_and_differs_is_said(tmp_path):
    config = {"method": "fssh", "dt_fs": 0.5, "time_fs": 10.0, "seed": 4}
    found = paired(write(tmp_path / "a.h5", [6] * 6), write(tmp_path / "b.h5", [6] * 6, config=config))
    assert found.notes == (
        "`seed` is 3 in one and 4 in the other.",
        "Other random numbers decide the hops: pairs share their starts only.",
    )


def test_an_end_that_is_a_result_in_one_run_alone_is_said(tmp_path):
    """Whoever has settled counts as staying; where judges end trajectories says nothing of the others."""
    config = {"method": "fssh", "dt_fs": 0.5, "time_fs": 10.0, "seed": 3}
    ended = {"stop": {"lowest_state_fs": 20.0, "energy_spread_ev": 0.3, "dissociated": None}}
    one = write(tmp_path / "a.h5", [6] * 6, config=config | {"stop": {"dissociated": True}})
    other = write(tmp_path / "b.h5", [6] * 6, config=config | ended | {"frustrated": "reverse"})
    assert paired(one, other).notes == (
        "`frustrated` is keep in one and reverse in the other.",
        "`stop.lowest_state_fs` is null in one and 20.0 in the other.",
    )
