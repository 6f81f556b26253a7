"""Runs that are no pairs beside each other, and when pairs part."""

import json

import numpy as np
import pytest
from synthetic_run import write_run
from typer.testing import CliRunner

from nadyn.analysis.independent_runs import Independent, beside, difference, independent
from nadyn.analysis.intervals import wilson
from nadyn.analysis.pairs import Pairs, paired
from nadyn.analysis.partings import in_words, partings
from nadyn.checks.errors import InputError
from nadyn.cli.main import build_app

NUMBERS = np.array([6, 1, 1, 1, 1])
_CORNERS = np.array([[1.0, 1, 1], [1.0, -1, -1], [-1.0, 1, -1], [-1.0, -1, 1]])
METHANE = np.concatenate([np.zeros((1, 3)), 1.19 * _CORNERS])


def write(path, at, *, seed=0, torn=0, ends=None, **keys):
    """Fall from 1 to 0 at these frames; of methane, of which so many lose a hydrogen."""
    state = (np.arange(21)[:, None] < np.array(at)[None, :]).astype(int)
    positions = np.broadcast_to(METHANE, (21, len(at), 5, 3)) + 0.01 * np.random.default_rng(seed).normal(
        size=(1, len(at), 5, 3)
    )
    positions[10:, :torn, 4] *= 8.0
    given = {"n_states": 2, "dt_fs": 0.5, "positions": positions, "atomic_numbers": NUMBERS}
    if ends is not None:
        given |= {"last_step": np.array(ends), "status": np.where(np.array(ends) < 20, 2, 0)}
    return write_run(path, state, **given | keys)


def test_the_interval_of_a_difference_is_newcombes():
    """56 of 70 and 48 of 80: 0.0524 to 0.3339 for the first minus the second (Newcombe 1998, method 10)."""
    first, second = ((np.array([k / n]), *wilson(np.array([k / n]), n)) for k, n in ((56, 70.0), (48, 80.0)))
    found, low, high = difference(second, first, known=np.ones(1, bool))
    assert found == pytest.approx([0.2])
    assert (low[0], high[0]) == pytest.approx((0.0524, 0.3339), abs=1e-4)


def test_the_interval_holds_the_difference_of_two_runs_in_95_of_100_cases():
    rng = np.random.default_rng(1)
    one, two = rng.binomial(60, 0.3, 4000) / 60, rng.binomial(40, 0.55, 4000) / 40
    _, low, high = difference((one, *wilson(one, 60.0)), (two, *wilson(two, 40.0)), known=np.ones(4000, bool))
    held = ((low <= 0.25) & (high >= 0.25)).mean()
    assert held == pytest.approx(0.95, abs=0.015)


def test_other_starts_are_compared_as_independent_runs_second_minus_first(tmp_path):
    first = write(tmp_path / "a.h5", [4] * 3 + [40] * 9)
    second = write(tmp_path / "b.h5", [4] * 6 + [40] * 2, seed=1)
    found = beside(first, second)
    assert isinstance(found, Independent) and found.reason.startswith("starts differ by")
    assert found.n == (12, 8)
    np.testing.assert_allclose(found.mean[10], [0.75 - 0.25, 0.25 - 0.75])
    assert 0.0 < found.low[10, 0] < 0.5 < found.high[10, 0] < 1.0
    np.testing.assert_allclose(found.mean[0], 0.0, atol=1e-12)
    assert found.low[0, 0] < 0.0 < found.high[0, 0]
    with pytest.raises(InputError, match="must be of pairs with the trajectories"):
        paired(first, second)


def test_pairs_stay_pairs(tmp_path):
    first = write(tmp_path / "a.h5", [4] * 6)
    assert isinstance(beside(first, write(tmp_path / "b.h5", [8] * 6)), Pairs)


def test_unknown_fates_may_all_have_gone_the_worse_way(tmp_path):
    first = write(tmp_path / "a.h5", [40] * 10)
    second = write(tmp_path / "b.h5", [40] * 10, seed=1, ends=[20] * 7 + [5] * 3)
    found = independent(first, second)
    # Three of ten may be on the lower state by then.
    assert found.high[20, 0] > 0.3 + found.high[3, 0] - 1e-9
    assert found.low[20, 1] < found.low[3, 1]
    one, two = (wilson(np.array([fraction]), 10.0) for fraction in (0.0, 0.3))
    assert found.high[20, 0] == pytest.approx(float(two[1][0] - one[0][0]))
    assert found.low[20, 0] == pytest.approx(float(one[0][0] - one[1][0]))


def test_yields_of_all_products_are_compared_also_of_those_that_one_run_lacks(tmp_path):
    first = write(tmp_path / "a.h5", [3] * 20)
    second = write(tmp_path / "b.h5", [3] * 20, seed=1, torn=6)
    found = {one.fragments: one for one in independent(first, second).yields}
    assert set(found) == {"CH4", "CH3 + H"}
    torn = found["CH3 + H"]
    assert (torn.first, torn.second) == (0.0, 0.3)
    assert torn.low > 0.0 and torn.high < 0.6
    assert found["CH4"].difference == pytest.approx(-0.3)


def test_pairs_part_at_the_first_time_on_other_states(tmp_path):
    first = write(tmp_path / "a.h5", [4, 4, 40, 10, 4])
    second = write(tmp_path / "b.h5", [4, 6, 40, 3, 40])
    times = paired(first, second).parted_fs
    np.testing.assert_array_equal(times, [np.nan, 2.0, np.nan, 1.5, 2.0])
    assert in_words(times) == "3 of 5 pairs, in the median at 2 fs: 3 at 1.5 fs, 1 at 2 fs, 4 at 2 fs"
    assert in_words(times[:1]) == "none of 1 pairs"
    unknown = np.full((2, 1, 2), np.nan)
    assert np.isnan(partings(np.arange(2.0), unknown, np.zeros((2, 1, 2)))).all()


def test_the_command_says_why_there_are_no_pairs_and_when_pairs_part(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    first = write(tmp_path / "a.h5", [4] * 8)
    runner, app = CliRunner(), build_app(["compare"])
    options = ["--json", str(tmp_path / "o.json"), "--figure", str(tmp_path / "o.png")]
    other = write(tmp_path / "b.h5", [9] * 6, seed=1, torn=3)
    done = runner.invoke(app, ["compare", str(first), str(other), *options], catch_exceptions=False)
    assert "no pairs, starts differ by" in done.output and "CH3 + H: 0.000 and 0.500" in done.output
    numbers = json.loads((tmp_path / "o.json").read_text())[0]
    assert numbers["trajectories"] == [8, 6] and numbers["difference"][6] == [-1.0, 1.0]
    assert (tmp_path / "o.png").stat().st_size > 10_000
    pairs = write(tmp_path / "c.h5", [9] * 8)
    done = runner.invoke(app, ["compare", str(first), str(pairs)], catch_exceptions=False)
    assert "on other states" in done.output and "8 of 8 pairs, in the median at 2 fs" in done.output
