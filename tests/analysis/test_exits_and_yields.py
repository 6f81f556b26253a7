"""First exits beside formulas for survival; yields beside tables of exact intervals."""

import io
import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from rich.console import Console
from synthetic_run import hop_table, write_run
from typer.testing import CliRunner

from nadyn.analysis.exits import first_exits
from nadyn.analysis.plots_fates import yields_figure
from nadyn.analysis.quantum_yields import (
    NEVER,
    clopper_pearson,
    entry_seams,
    quantum_yields,
    shares,
    yield_groups,
)
from nadyn.analysis.summary import plain
from nadyn.checks.errors import InputError
from nadyn.cli import analyse_more
from nadyn.cli.main import build_app
from nadyn.trajectory import open_run


def run_of(tmp_path, exit_fs, end_fs, *, n_frames=61, back=None, name="run.h5", **options):
    """Trajectories that leave state 1 at one time and are stopped at another [fs], a step a femtosecond."""
    time = np.arange(n_frames)[:, None]
    state = np.where(time >= exit_fs, 0, 1)
    if back is not None:
        # Back once more, and out again soon after.
        state = np.where((time >= back) & (time < back + 3), 1, state)
    last = np.minimum(end_fs, n_frames - 1).astype(int)
    state = np.where(time > last, state[last, np.arange(len(last))], state)
    status = np.where(last < n_frames - 1, 4, 0)
    path = tmp_path / name
    return write_run(path, state, n_states=3, status=status, last_step=last, **options)


def test_survival_is_that_of_kaplan_and_meier_in_a_published_example(tmp_path):
    """Remission of 21 patients on 6-MP (Freireich et al., Blood 21, 699 (1963)), S as in textbooks of it."""
    left = {6: 3, 7: 1, 10: 1, 13: 1, 16: 1, 22: 1, 23: 1}
    seen = [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
    exit_fs = np.array([t for t, n in left.items() for _ in range(n)] + [99] * len(seen))
    end_fs = np.array([60] * 9 + seen)
    found = first_exits(open_run(run_of(tmp_path, exit_fs, end_fs)), 1)
    assert found.time_fs.round(6).tolist() == [0, 6, 7, 10, 13, 16, 22, 23]
    expected = [1, 0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448]
    assert found.survival == pytest.approx(expected, abs=6e-4)
    assert (found.n, found.n_left) == (21, 9)
    assert found.median_fs[0] == pytest.approx(23)
    assert np.all(found.low <= found.survival) and np.all(found.survival <= found.high)


@pytest.mark.parametrize("swarms", [8, pytest.param(40, marks=pytest.mark.slow)])
def test_the_band_holds_the_whole_curve_in_most_repetitions(tmp_path, unchecked_annotations, swarms):
    """95 % of the swarms, less 3 standard deviations, by a band not much wider than three errors."""
    held, widths = 0, []
    for seed in range(swarms):
        rng = np.random.default_rng(seed)
        exit_fs = np.ceil(rng.exponential(25.0, 80))
        path = run_of(tmp_path, exit_fs, rng.integers(20, 120, 80), name=f"{seed}.h5")
        found = first_exits(open_run(path), 1)
        exact = np.exp(-found.time_fs / 25)
        held += bool(np.all((found.low <= exact + 1e-9) & (exact <= found.high + 1e-9)))
        widths.append(float((found.high - found.low)[len(exact) // 2]))
    assert held >= 0.95 * swarms - 3 * np.sqrt(0.95 * 0.05 * swarms)
    assert np.median(widths) < 8 * 0.5 / np.sqrt(80)


def test_weights_count_as_repeated_trajectories_and_only_the_first_visit_counts(tmp_path):
    rng = np.random.default_rng(1)
    exit_fs, end_fs = rng.integers(2, 50, 30), rng.integers(5, 90, 30)
    weight = np.where(np.arange(30) < 7, 2.0, 1.0)
    back = exit_fs + 4
    weighted = first_exits(open_run(run_of(tmp_path, exit_fs, end_fs, back=back, weight=weight)), 1)
    twice = np.append(np.arange(30), np.arange(7))
    path = run_of(tmp_path, exit_fs[twice], end_fs[twice], name="twice.h5")
    repeated = first_exits(open_run(path), 1)
    assert np.allclose(weighted.time_fs, repeated.time_fs)
    assert np.allclose(weighted.survival, repeated.survival)


def test_the_clock_of_a_lower_state_begins_with_the_hop_into_it(tmp_path):
    state = np.full((30, 10), 2)
    state[4:, :8], state[9:, :5] = 1, 0
    found = first_exits(open_run(write_run(tmp_path / "run.h5", state, n_states=3)), 1)
    assert (found.n, found.n_left) == (8, 5)
    assert found.time_fs.tolist() == pytest.approx([0, 5])
    assert found.survival.tolist() == pytest.approx([1, 3 / 8])


def test_a_trajectory_in_pieces_stays_where_it_is(tmp_path):
    state = np.ones((21, 6), int)
    state[10:, 3:] = 0
    # Two fell apart at 5 fs on state 1: they stay there, and count as those that are seen.
    status, last = np.array([8, 8, 0, 0, 0, 0]), np.array([5, 5, 20, 20, 20, 20])
    path = write_run(tmp_path / "run.h5", state, n_states=2, status=status, last_step=last)
    assert first_exits(open_run(path), 1).survival[-1] == pytest.approx(0.5)
    stopped = write_run(
        tmp_path / "stopped.h5", state, n_states=2, status=np.where(status == 8, 4, 0), last_step=last
    )
    assert first_exits(open_run(stopped), 1).survival[-1] == pytest.approx(0.25)


@pytest.mark.parametrize(("state", "words"), [(2, "no trajectory came"), (7, "from 0 to 2")])
def test_states_without_exits_are_refused(tmp_path, state, words):
    path = run_of(tmp_path, np.array([4, 5]), np.array([60, 60]))
    with pytest.raises(InputError, match=words):
        first_exits(open_run(path), state)


@pytest.mark.parametrize(
    ("count", "n", "low", "high"), [(0, 10, 0, 0.3085), (5, 10, 0.1871, 0.8129), (81, 263, 0.2527, 0.3676)]
)
def test_exact_intervals_are_those_of_tables(count, n, low, high):
    """The last of A. Agresti and B. A. Coull's kind of example: R's binom.test(81, 263)."""
    assert clopper_pearson(count, n) == pytest.approx((low, high), abs=6e-5)


def test_intervals_of_many_kinds_are_wider_and_stopped_ones_are_bounds():
    kinds = ["a"] * 12 + ["b"] * 6 + ["c"] * 2
    found = {one.name: one for one in shares(kinds, np.ones(20), seed=1)}
    assert list(found) == ["a", "b", "c"]
    assert (found["a"].low, found["a"].high) == pytest.approx(clopper_pearson(12, 20, 1 - 0.05 / 3))
    two = {one.name: one for one in shares(["a"] * 12 + ["b"] * 8, np.ones(20), seed=1)}
    assert (two["a"].low, two["a"].high) == pytest.approx(clopper_pearson(12, 20))
    # Two are complements.
    assert two["a"].low == pytest.approx(1 - two["b"].high)
    lost = {one.name: one for one in shares(["a"] * 12 + ["b"] * 3 + [""] * 5, np.ones(20), seed=1)}
    assert lost["a"].fraction == pytest.approx(12 / 15)
    assert lost["a"].low == pytest.approx(clopper_pearson(12, 20)[0])
    assert lost["a"].high == pytest.approx(clopper_pearson(17, 20)[1])


def test_where_most_products_are_unknown_there_are_intervals_and_no_fractions():
    """Such as where most trajectories have settled: who is known is known for what became of it."""
    kinds = ["a"] * 9 + ["b"] + [""] * 11
    found = {one.name: one for one in shares(kinds, np.ones(21), seed=1)}
    assert np.isnan([one.fraction for one in found.values()]).all() and list(found) == ["a", "b"]
    assert found["a"].low == pytest.approx(clopper_pearson(9, 21)[0])
    assert found["a"].high == pytest.approx(clopper_pearson(20, 21)[1])
    half = {one.name: one.fraction for one in shares(kinds[:20], np.ones(20), seed=1)}
    assert half == pytest.approx({"a": 0.9, "b": 0.1})


@pytest.mark.parametrize("swarms", [10, pytest.param(200, marks=pytest.mark.slow)])
def test_intervals_of_weighted_trajectories_hold_the_truth(unchecked_annotations, swarms):
    """95 % less 3 standard deviations, with the width of about 60 equal trajectories."""
    held, widths = 0, []
    for seed in range(swarms):
        rng = np.random.default_rng(seed)
        weight = rng.exponential(1.0, 120)
        kinds = np.where(rng.uniform(size=120) < 0.3, "a", "b")
        found = {one.name: one for one in shares(kinds.tolist(), weight, seed=seed)}["a"]
        held += found.low <= 0.3 <= found.high
        widths.append(found.high - found.low)
    assert held >= 0.95 * swarms - 3 * np.sqrt(0.95 * 0.05 * swarms)
    assert np.median(widths) == pytest.approx(2 * 1.96 * np.sqrt(0.3 * 0.7 / 60), rel=0.15)


@pytest.fixture
def falls_apart(tmp_path):
    """NHO on three states: some come from state 2 straight, some lose H, some are stopped in between."""
    n, frames = 50, np.arange(31)[:, None]
    traj = np.arange(n)
    state = np.where(frames < 5, 2, np.where((frames < 12) & (traj % 2 == 0), 1, 0))
    state[:, 48:] = 2
    state[20:, 40] = 1
    positions = np.zeros((31, n, 3, 3))
    positions[:, :, 1, 0], positions[:, :, 2, 0], positions[:, :, 2, 1] = 2.2, -0.6, 1.8
    positions[-1, traj % 5 == 0, 2, 1] = 25.0
    last = np.where(traj >= 46, 9, 30)
    hops = hop_table(state)
    hops = {name: column[hops["step"] <= last[hops["traj"]]] for name, column in hops.items()}
    return write_run(
        tmp_path / "apart.h5",
        state,
        n_states=3,
        positions=positions,
        atomic_numbers=np.array([7, 8, 1]),
        masses=np.array([25526.0, 29156.0, 1837.0]),
        status=np.where(last < 30, 4, 0),
        last_step=last,
        hops=hops,
    )


def test_yields_by_product_and_by_seam(falls_apart):
    run = open_run(falls_apart)
    seams = entry_seams(run)
    assert seams[0] == "1→0" and seams[1] == "2→0" and seams[40] == NEVER and seams[48] == ""
    # Stopped at 9 fs: 47 was down by then, 46 was still on state 1.
    assert seams[47] == "2→0" and seams[46] == ""
    found = quantum_yields(run)
    assert found.n_unknown == 4
    whole, broken = found.products
    assert (whole.name, whole.n, broken.name, broken.n) == ("NHO", 36, "NO + H", 10)
    assert broken.fraction == pytest.approx(10 / 46)
    assert broken.low == pytest.approx(clopper_pearson(10, 50)[0])
    assert broken.high == pytest.approx(clopper_pearson(14, 50)[1])
    by = {name: {share.name: share.n for share in rows} for name, rows in found.by_seam.items()}
    assert by["2→0"] == {"NHO": 18, "NO + H": 5} and by["1→0"] == {"NHO": 18, "NO + H": 4}
    assert by[NEVER] == {"NO + H": 1}


def test_yields_of_a_run_that_mostly_settled_are_drawn_and_printed_as_intervals(falls_apart, tmp_path):
    run = open_run(falls_apart)
    whole = np.arange(50) % 5 != 0
    settled = replace(
        run,
        status=np.where(whole & (np.arange(50) >= 6), 12, run.status),
        last_step=np.where(whole, 25, run.last_step),
    )
    found = quantum_yields(settled)
    assert found.n_unknown > 25 and np.isnan(found.products[0].fraction)
    figure = yields_figure(found)
    figure.canvas.draw()
    lines = [one for one in figure.axes[0].collections if len(one.get_segments())]
    assert len(lines) == sum(len(rows) for _, rows in yield_groups(found))
    assert plain(asdict(found))["products"][0]["fraction"] is None
    console = Console(width=100, file=io.StringIO())
    console.print(analyse_more._yields(found))
    assert "not known" in console.file.getvalue()


def test_seams_of_one_pair_are_told_apart_by_geometry(falls_apart):
    run = open_run(falls_apart)
    cluster = np.where(run.hops["traj"] < 20, 0, 1)
    seams = entry_seams(run, cluster)
    assert seams[1] == "2→0, geometry 0" and seams[21] == "2→0, geometry 1"


def test_the_command_line_prints_exits_and_yields(falls_apart, tmp_path):
    app = build_app(("analyse",))
    out = tmp_path / "run.json"
    found = CliRunner().invoke(app, ["analyse", str(falls_apart), "--exits", "2", "--json", str(out)])
    assert found.exit_code == 0, found.output
    assert "First exits from state 2: 48 of 50" in found.output and "Quantum yields" in found.output
    numbers = json.loads(out.read_text())
    assert numbers["exits"]["survival"][-1] == pytest.approx(2 / 50)
    assert numbers["quantum_yields"]["products"][0]["n"] == 36
