"""How far a committee is believed: what is analysed, printed and shown of a run that went on beyond doubt."""

import json

import numpy as np
import pytest
from member_runs import write_member
from synthetic_run import write_run
from typer.testing import CliRunner

from nadyn.analysis import analyse, report
from nadyn.analysis.belief import belief_rows
from nadyn.analysis.members_page import members_report
from nadyn.analysis.pairs import paired
from nadyn.checks.errors import InputError
from nadyn.cli.main import build_app
from nadyn.learning.geometries import stopped_geometries

LIMITS = {"energy_spread": 0.01, "gap_spread": 0.01, "force_spread": 0.01, "novelty": 1.0, "lenience": 3.0}
N, LAST = 40, 20


def went_on(rng):
    """States and spreads of forty trajectories: of the first ten nobody doubts, of each ten more up to 1.2,
    1.8 and 2.7 times the limits, from a frame of their own on and for a while."""
    state = (np.arange(LAST + 1)[:, None] < rng.integers(3, 25, N)[None, :]).astype(int)
    # Just at the limit nothing is doubted.
    spread = np.full((LAST + 1, N), 0.01)
    begins = rng.integers(1, LAST - 3, N)
    for traj in range(10, N):
        spread[begins[traj] : begins[traj] + 3, traj] = 0.01 * (1.2, 1.8, 2.7)[traj // 10 - 1]
    return state, spread, begins


def stopped_at(path, state, spread, most, **options):
    """The run that was stopped where a spread is larger than `most`, with its last values kept."""
    beyond = spread > most
    ended = beyond.any(axis=0)
    last = np.where(ended, beyond.argmax(axis=0) - 1, LAST)
    place = np.minimum(np.arange(LAST + 1)[:, None], last)
    held = np.take_along_axis(state, place, axis=0)
    status = np.where(ended, 9, 0)
    return write_member(path, 0, held, status=status, last_step=last, **options)


@pytest.fixture
def lenient(tmp_path):
    state, spread, _ = went_on(np.random.default_rng(4))
    return write_member(tmp_path / "run_0.h5", 0, state, spread=spread, doubt_limits=LIMITS), state, spread


@pytest.mark.parametrize(("believe", "n_results"), [(1.0, 10), (1.5, 20), (2.0, 30), (3.0, 40)])
def test_numbers_are_those_of_a_run_that_was_stopped_there(lenient, tmp_path, believe, n_results):
    path, state, spread = lenient
    wanted = analyse(stopped_at(tmp_path / "strict.h5", state, spread, 0.01 * believe))
    found = analyse(path, believe=believe)
    assert found["n_finished"] == wanted["n_finished"] == n_results
    for name in (
        "populations",
        "populations_low",
        "populations_high",
        "populations_held",
        "hops",
        "n_stopped",
    ):
        assert found[name] == wanted[name], name
    row = next(one for one in belief_rows([path]) if one["believe"] == believe)
    assert (row["n_trajectories"], row["n_results"]) == (N, n_results)
    for one, frame in zip(row["lowest_state"], (LAST // 2, LAST), strict=True):
        assert one["time_fs"] == wanted["time_fs"][frame]
        known = wanted["populations"][frame][0]
        assert np.isnan(one["fraction"]) if known is None else one["fraction"] == known
        assert one["low"] == wanted["populations_low"][frame][0]


def test_without_a_word_it_is_believed_once(lenient):
    path, *_ = lenient
    assert analyse(path)["populations_low"] == analyse(path, believe=1.0)["populations_low"]
    assert analyse(path)["n_stopped"] == {"committee": 30}


def test_a_run_that_was_stopped_at_its_limits_has_no_such_rows(lenient, tmp_path):
    _, state, spread = lenient
    assert belief_rows([stopped_at(tmp_path / "strict.h5", state, spread, 0.01)]) == []


def test_members_are_believed_equally_far(lenient, tmp_path):
    path, state, spread = lenient
    other = write_member(
        tmp_path / "run_1.h5", 1, state, spread=np.roll(spread, 5, axis=1), doubt_limits=LIMITS
    )
    rows = belief_rows([path, other])
    assert [one["believe"] for one in rows] == [1.0, 1.5, 2.0, 3.0]
    assert [one["n_results"] for one in rows] == [20, 40, 60, 80]
    # Both have the same states: all is known, and the means are exact.
    last = rows[-1]["lowest_state"][-1]
    assert last["fraction"] == np.mean(state[-1] == 0)
    widths = [one["lowest_state"][-1]["high"] - one["lowest_state"][-1]["low"] for one in rows]
    assert widths == sorted(widths, reverse=True)
    page = members_report([path, other], tmp_path / "members.html").read_text()
    assert "How far the committee is believed" in page and page.count("<td>1.5</td>") == 1


def test_commands_take_how_far(lenient, tmp_path):
    path, *_ = lenient
    runner = CliRunner()
    shown = runner.invoke(build_app(), ["analyse", str(path), "--json", str(tmp_path / "a.json")])
    assert shown.exit_code == 0 and "times its limits" in shown.output
    numbers = json.loads((tmp_path / "a.json").read_text())
    assert [one["n_results"] for one in numbers["belief"]] == [10, 20, 30, 40]
    shown = runner.invoke(
        build_app(), ["analyse", str(path), "--believe", "2", "--json", str(tmp_path / "b.json")]
    )
    assert shown.exit_code == 0 and "times its limits" not in shown.output
    assert json.loads((tmp_path / "b.json").read_text())["n_finished"] == 30
    page = tmp_path / "page.html"
    assert (
        runner.invoke(build_app(), ["report", str(path), "--output", str(page), "--believe", "2"]).exit_code
        == 0
    )
    assert "--believe 2" in page.read_text() and "id=belief" in page.read_text()
    report(path, page)
    assert "--believe" not in page.read_text()


def test_pairs_are_compared_as_far_as_the_other_one_is_believed(lenient, tmp_path):
    path, state, _ = lenient
    reference = write_run(tmp_path / "direct.h5", state, n_states=2, dt_fs=2.0)
    found = [paired(reference, path, believe=believe).n_known[-1] for believe in (1.0, 2.0, 3.0)]
    assert found == [10, 30, 40]


def test_places_to_be_labelled_are_those_of_the_first_objection(tmp_path):
    state, spread, begins = went_on(np.random.default_rng(4))
    positions = np.zeros((LAST + 1, N, 2, 3))
    positions[..., 1, 2] = 2.0
    positions[..., 1, 0] = 0.01 * np.arange(LAST + 1)[:, None]
    options = {"positions": positions, "atomic_numbers": np.array([1, 1])}
    path = write_member(tmp_path / "run.h5", 0, state, spread=spread, doubt_limits=LIMITS, **options)
    found = stopped_geometries(path).positions
    # The file keeps no geometry that stopped anything, so it is the last one that counts.
    assert np.allclose(np.sort(found[:, 1, 0]), np.sort(0.01 * (begins[10:] - 1)))


def test_more_than_the_run_has_is_refused(lenient, tmp_path):
    path, state, spread = lenient
    with pytest.raises(InputError, match="is 4: which went on to 3 times its limits"):
        analyse(path, believe=4.0)
    # Nothing is no word for as it stands.
    shown = CliRunner().invoke(build_app(), ["analyse", str(path), "--believe", "0"])
    assert isinstance(shown.exception, InputError)
    strict = stopped_at(tmp_path / "strict.h5", state, spread, 0.01)
    shown = CliRunner().invoke(build_app(), ["analyse", str(strict), "--believe", "2"])
    assert shown.exit_code != 0
