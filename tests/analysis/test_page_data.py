"""What stands inside the page: thinned trajectories, packed numbers, and a policy that lets nothing in."""

import base64
import csv
import gzip
import hashlib
import io
import json
import re

import numpy as np
import pytest
from looked_at_run import ATOMS, N_FRAMES, N_TRAJ, write_looked_at
from matplotlib.figure import Figure
from scipy.spatial.transform import Rotation
from synthetic_run import hop_table, write_run

from nadyn.analysis import report
from nadyn.analysis.answer import answer
from nadyn.analysis.drawn_numbers import drawn_csv
from nadyn.analysis.packing import differences, facts
from nadyn.analysis.summary import summarise
from nadyn.analysis.thinning import nearest_frame, thin
from nadyn.analysis.viewer import viewer_scripts
from nadyn.trajectory import open_run
from nadyn.units import ANGSTROM_PER_BOHR


@pytest.fixture(scope="module")
def looked_at(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    path = write_looked_at(folder / "<script>hacked=1;<b>&.h5", seed=4)
    return open_run(path), report(path, folder / "report.html").read_text(encoding="utf-8")


def element(text, name):
    return re.search(rf'<script type="[^"]+" id="{name}">(.*?)</script>', text, flags=re.DOTALL).group(1)


def unpacked(text, name):
    return gzip.decompress(base64.b64decode(element(text, name)))


def restored(octets, first, width, scale):
    low, high = np.split(octets, 2)
    changes = (low.astype(np.uint16) | high.astype(np.uint16) << 8).view(np.int16).reshape(-1, width)
    starts = np.nonzero(first)[0]
    rows = [np.cumsum(part, axis=0, dtype=np.int16) for part in np.split(changes, starts[1:])]
    return scale["middle"] + scale["step"] * np.concatenate(rows)


@pytest.mark.parametrize("seed", range(5))
def test_a_flat_molecule_is_first_looked_at_from_above(tmp_path, seed):
    """However it lies in space: no atom of ethylene stands behind another, and it is no mirror image."""
    flat = np.array([[0.67, 0, 0], [-0.67, 0, 0], [1.24, 0.92, 0], [1.24, -0.92, 0], [-1.24, 0.92, 0]])
    flat = np.vstack([flat, [-1.24, -0.92, 0]]) / ANGSTROM_PER_BOHR
    turned = Rotation.random(random_state=seed).apply(flat) + np.array([3.0, -2.0, 5.0])
    path = write_run(
        tmp_path / "run.h5",
        np.ones((3, 2), int),
        n_states=2,
        positions=np.tile(turned, (3, 2, 1, 1)),
        masses=np.full(6, 20000.0),
        atomic_numbers=np.array([6, 6, 1, 1, 1, 1]),
    )
    text = report(path, tmp_path / "report.html").read_text(encoding="utf-8")
    turn = Rotation.from_quat(json.loads(element(text, "view-facts"))["turn"])
    seen = turn.apply(turned - turned.mean(axis=0))
    x, y, z = np.ptp(seen, axis=0)
    assert x > y > 1.2 * z
    apart = np.linalg.norm(seen[:, None, :2] - seen[None, :, :2], axis=-1)
    assert apart[~np.eye(6, dtype=bool)].min() > 0.7 / ANGSTROM_PER_BOHR
    assert np.linalg.det(turn.as_matrix()) == pytest.approx(1.0)


def test_the_viewer_holds_the_frames_of_the_file(looked_at):
    run, text = looked_at
    described = json.loads(element(text, "view-facts"))
    content = unpacked(text, "view-data")
    types = {"Uint8Array": "u1", "Uint32Array": "<u4", "Float32Array": "<f4"}
    data = {
        one["name"]: np.frombuffer(content, types[one["type"]], one["length"], one["offset"])
        for one in described["arrays"]
    }
    trajectory, frame = data["trajectory"], data["frame"]
    assert sorted(zip(trajectory.tolist(), frame.tolist(), strict=True)) == [
        (t, f) for t in range(N_TRAJ) for f in range(N_FRAMES if t != 3 else N_FRAMES // 2 + 1)
    ]
    first = np.diff(trajectory.astype(int), prepend=-1) != 0
    expected = ANGSTROM_PER_BOHR * np.asarray(run.positions)[frame, trajectory]
    expected -= expected.mean(axis=1, keepdims=True)
    found = restored(data["positions"], first, 3 * len(ATOMS), described["scales"]["positions"])
    assert np.abs(found.reshape(expected.shape) - expected).max() < 5.1e-4
    energies = restored(data["energies"], first, 2, described["scales"]["energies"])
    assert np.abs(energies[:, 1] - energies[:, 0] - 2.72114).max() < 2e-3
    assert (data["state"] == np.asarray(run.active_state)[frame, trajectory]).all()
    assert described["symbols"] == ["C", "N", "H", "H", "H"]
    assert described["write_every"] * described["dt_fs"] == pytest.approx(0.5)
    assert described["end_fs"] == pytest.approx(20.0)
    ended = [described["ended"][k] for k in data["ended"]]
    assert ended[3] == "stopped: not finite"
    assert ended[0].startswith("CH2N + H, state ")
    assert data["hop_step"].tolist() == run.hops["step"].tolist()
    assert data["hop_gap"] == pytest.approx(2.72114, abs=1e-4)


def test_a_browser_may_run_the_scripts_of_the_page_and_nothing_else(looked_at):
    run, text = looked_at
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text).group(1)
    allowed = set(re.findall(r"'sha256-([^']+)'", policy))
    scripts = re.findall(r"<script>(.*?)</script>", text, flags=re.DOTALL)
    assert len(scripts) == 1 + len(viewer_scripts(run)) == 3
    digests = {base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in scripts}
    assert digests == allowed
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy.split("script-src")[1]
    assert "<script>hacked" not in text
    # The licence of what is inside goes with it.
    assert "University of Pittsburgh" in text


def test_values_in_a_page_cannot_end_their_element():
    text = facts("a", {"name": "</script><b>&\u2028"})
    assert text.count("<") == 2
    assert json.loads(re.search(">(.*)<", text).group(1))["name"] == "</script><b>&\u2028"


def test_differences_are_as_fine_as_asked_and_hold_what_is_not_finite():
    values = np.array([[0.0, 70.0], [1.2345, -3.0], [np.nan, 2.0]])
    octets, scale = differences(values, np.array([True, False, True]), finest=0.01)
    found = restored(octets, [True, False, True], 2, scale)
    assert np.abs(found - values)[[0, 0, 1, 1, 2], [0, 1, 0, 1, 1]].max() <= 0.0051
    assert found[2, 0] == pytest.approx(scale["middle"])
    wide, scale = differences(np.array([[0.0], [1e4]]), np.array([True, False]), finest=0.01)
    assert np.abs(restored(wide, [True, False], 1, scale).ravel() - [0, 1e4]).max() < 0.2


def many(tmp_path, n_traj):
    frame = np.arange(61)[:, None]
    state = (frame < 10 + np.arange(n_traj) % 40).astype(int)
    return open_run(write_run(tmp_path / f"{n_traj}.h5", state, n_states=2))


def test_what_does_not_fit_is_left_out_in_order_and_said(tmp_path):
    run = many(tmp_path, 50)
    size = 5 + 2 + 2
    everything = thin(run)
    assert len(everything.frame) == 61 * 50
    assert everything.sentence == "All frames of all 50 trajectories are in this page."
    hops = set(zip(run.hops["traj"].tolist(), nearest_frame(run, run.alive()).tolist(), strict=True))
    for part, words in (
        (0.6, "all 50 trajectories in steps of 2 fs, with their hops and ends"),
        (0.2, r"2\d of 50 trajectories, evenly chosen, in steps of 3 fs; of the others their starts, hops"),
    ):
        fewer = thin(run, most_numbers=int(part * 61 * 50 * size))
        assert re.search(words, fewer.sentence), fewer.sentence
        shown = set(zip(fewer.trajectory.tolist(), fewer.frame.tolist(), strict=True))
        assert len(shown) == len(fewer.frame) <= part * 61 * 50
        assert hops <= shown
        assert {(t, f) for t in range(50) for f in (0, 60)} <= shown
    few = thin(run, most_numbers=100 * size)
    assert len(few.frame) <= 100
    assert re.search(r"are 1\d of 50 trajectories, evenly chosen: ", few.sentence)


def test_moments_that_must_be_shown_are_shown_whatever_fits(looked_at):
    run, _ = looked_at
    few = thin(run, most_numbers=2)
    missing = next(t for t in range(N_TRAJ) if t not in few.trajectory)
    found = thin(run, most_numbers=2, also=[(missing, 5)])
    of_it = found.frame[found.trajectory == missing].tolist()
    assert of_it[0] == 0 and 5 in of_it and len(of_it) == 3
    kept = set(zip(few.trajectory.tolist(), few.frame.tolist(), strict=True))
    assert kept < set(zip(found.trajectory.tolist(), found.frame.tolist(), strict=True))
    assert np.all(np.diff(found.trajectory) >= 0)


def test_the_numbers_of_a_figure_are_those_that_were_drawn(looked_at):
    run, text = looked_at
    rows = list(csv.DictReader(io.StringIO(unpacked(text, "csv-hops").decode())))
    assert [int(row["trajectory"]) for row in rows] == run.hops["traj"].tolist()
    assert [float(row["gap_ev"]) for row in rows] == pytest.approx([2.72114] * len(rows), abs=1e-4)
    for name in re.findall(r'<figure id="([^"]+)"', text):
        assert unpacked(text, f"csv-{name}").count(b"\n") > 1
    figure = Figure()
    axes = figure.subplots()
    axes.set_xlabel("time (fs)")
    axes.plot([1.0, 2.0], [3.0, np.nan], label="state 1")
    axes.scatter([5.0], [6.0])
    axes.bar([7.0], [8.0], width=0.5)
    axes.barh([9.0], [10.0])
    axes.fill_between([0.0, 1.0], [0.0, 0.0], [2.0, 2.0])
    table = [tuple(row.values()) for row in csv.DictReader(io.StringIO(drawn_csv(figure)))]
    assert ("1", "time (fs)", "", "line", "state 1", "1", "3") in table
    assert ("1", "time (fs)", "", "line", "state 1", "2", "") in table
    assert {(row[3], row[5], row[6]) for row in table} >= {
        ("point", "5", "6"),
        ("bar", "7", "8"),
        ("bar", "9", "10"),
        ("band", "1", "2"),
    }


def test_the_answer_comes_first_with_its_intervals(looked_at):
    run, text = looked_at
    numbers = summarise(run)
    words = " ".join(answer(run, numbers))
    low, high = (100 * numbers[f"populations_{end}"][-1][0] for end in ("low", "high"))
    interval = f"(95 % interval: {low:.1f} to {high:.1f} %)"
    assert f"After 20 fs all 6 trajectories that were not stopped are on state 0 {interval}" in words
    assert "14.3 % of the 7 trajectories dissociate into CH₂N + H (95 % interval: " in words
    assert "1 of 7 trajectories (14.3 %) was stopped early" in words
    assert text.index("id=answer") < text.index("class=cards") < text.index("id=trajectories")


def test_a_hop_between_two_frames_leads_to_the_nearer_one(tmp_path):
    state = (np.arange(9)[:, None] < np.array([3, 5])).astype(int)
    hops = hop_table(state, write_every=10) | {"step": np.array([33, 57]), "traj": np.array([0, 1])}
    run = open_run(write_run(tmp_path / "run.h5", state, n_states=2, write_every=10, hops=hops))
    assert nearest_frame(run, run.alive()).tolist() == [3, 6]
