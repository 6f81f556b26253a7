"""A loop on a source that goes wrong at one geometry in five: it goes on, and none of those trains."""

import importlib.util
import shutil
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest

import nadyn
from nadyn.checks.errors import InputError
from nadyn.data.label_record import LabelMethod
from nadyn.data.label_store import LabelStore
from nadyn.electronic.direct.questions import Answer, Facts, Question
from nadyn.electronic.labels import Known, Label, Quality
from nadyn.learning.desk import Desk
from nadyn.learning.direct import RecordingDesk
from nadyn.learning.learn_file import LearnConfiguration
from nadyn.learning.loop import learn
from nadyn.learning.rounds import answered

SOURCE = '''
"""Two coupled surfaces of three atoms; away from the minimum one geometry in five goes wrong."""

import hashlib
import os
import time
from pathlib import Path

import numpy as np

PAIRS = ((0, 1), (0, 2), (1, 2))
LENGTHS = np.array([[1.8, 1.8, 2.9], [2.0, 2.0, 2.6]])
SPRINGS = np.array([[0.5, 0.5, 0.2], [0.35, 0.35, 0.15]])
KINDS = ("raises", "nan", "half", "doubts", "dies")
HERE = Path(__file__).parent


def label(positions):
    kind = wrong(positions)
    with open(HERE / "asked.txt", "a") as file:
        file.write(f"{positions.tobytes().hex()} {kind}\\n")
    if kind != "nothing" and not (HERE / "hung").exists():
        # Once, because a label that hangs costs the whole limit.
        (HERE / "hung").write_text(positions.tobytes().hex())
        time.sleep(600)
    if kind == "raises":
        raise RuntimeError("no convergence in 50 cycles")
    if kind == "dies":
        os._exit(9)
    energies, forces, couplings = surfaces(positions)
    if kind == "nan":
        energies[1] = np.nan
    if kind == "half":
        forces[1, 0, 0] = np.nan
    if kind == "doubts":
        energies += 0.5
    answer = {"energies": energies, "forces": forces, "interstate_couplings": couplings}
    return {**answer, "doubt": "the orbitals are others"} if kind == "doubts" else answer


def wrong(positions):
    lengths = np.array([np.linalg.norm(positions[i] - positions[j]) for i, j in PAIRS])
    number = int(hashlib.sha256(positions.tobytes()).hexdigest()[:12], 16) / 16**12
    if np.abs(lengths - LENGTHS[0]).max() < 0.05 or number >= 0.2:
        return "nothing"
    return KINDS[int(number / 0.2 * len(KINDS))]


def surfaces(positions):
    ways = np.array([positions[j] - positions[i] for i, j in PAIRS])
    lengths = np.linalg.norm(ways, axis=1)
    stretch = lengths - LENGTHS
    a, b = 0.5 * (SPRINGS * stretch**2).sum(axis=1) + [0.0, 0.15]
    c = 0.02 * (lengths[0] - lengths[1]) + 0.01
    slopes = np.zeros((3, 3, 3))
    for row, gradient in enumerate([*(SPRINGS * stretch), [0.02, -0.02, 0.0]]):
        for (i, j), way, length, slope in zip(PAIRS, ways, lengths, gradient):
            slopes[row, i] -= slope * way / length
            slopes[row, j] += slope * way / length
    energies, states = np.linalg.eigh([[a, c], [c, b]])
    derivative = np.array([[slopes[0], slopes[2]], [slopes[2], slopes[1]]])
    h = np.einsum("ki,klax,lj->ijax", states, derivative, states)
    return energies, -np.array([h[0, 0], h[1, 1]]), h[0, 1][None]
'''
LEARN = {
    "source": {
        "python": {
            "function": "surfaces.py:label",
            "theory": "two surfaces",
            "multiplicities": [1, 1],
            "gives": ["forces", "interstate_couplings"],
        }
    },
    "dynamics": {
        "method": "fssh",
        "propagation": "curvature",
        "dt_fs": 0.5,
        "time_fs": 5,
        "decoherence": "none",
    },
    "sample": {"n": 30},
    "first": {"wigner": 25, "direct": 2, "direct_fs": 3, "direct_every": 2},
    "members": 2,
    "round": {"trajectories": 6, "final_trajectories": 6, "labels": 15},
    "training": {"model": {"hidden": [8]}, "steps": 40, "batch_size": 8, "validation_fraction": 0.25},
    "final": {"model": {"hidden": [8]}, "steps": 40, "validation_fraction": 0.25},
    "budget": {"labels": 500, "minutes": 100, "final_minutes": 1, "rounds": 1},
    "processes": 1,
    "label_minutes": 1.0,
    # The pre-flight would refuse so many failures.
    "force": True,
}
# 1.8, 1.8 and 2.9 bohr, the minimum of the lower surface without its coupling.
GEOMETRY = "3\n\nO 0 0 0\nH 0.952518978 0 0\nH -0.283697 0.909290 0\n"


def _files(folder):
    (folder / "surfaces.py").write_text(SOURCE)
    (folder / "water.xyz").write_text(GEOMETRY)
    return LearnConfiguration.model_validate({**LEARN, "molecule": str(folder / "water.xyz")})


def _surfaces(folder):
    spec = importlib.util.spec_from_file_location("surfaces", folder / "surfaces.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bad")
    config = _files(folder)
    return folder, config, learn(config, folder / "out", beside=folder)


@pytest.mark.slow
def test_the_loop_comes_to_its_end_and_says_what_failed(learned):
    _, _, record = learned
    assert record.rounds[-1].final and record.verdict
    asked = [one for each in record.rounds for one in each.asked]
    # Those of the beginning stand in the store.
    assert sum(one.trusted for one in asked) > 30 and sum(one.failed + one.doubtful for one in asked) > 4


@pytest.mark.slow
def test_nothing_is_lost_and_nothing_that_went_wrong_is_trusted(learned):
    folder, config, _ = learned
    kinds = dict(line.split() for line in (folder / "asked.txt").read_text().splitlines())
    with Desk(config.source, (8, 1, 1), folder / "out" / "labels", folder=folder) as desk:
        records = {record.positions.tobytes().hex(): record for record in desk.store.records}
    reasons = {
        "raises": "no convergence in 50 cycles",
        "nan": "must be finite",
        "half": "must be finite",
        "dies": "exit code 9",
        "doubts": "the orbitals are others",
    }
    hung = (folder / "hung").read_text()
    seen = Counter()
    for name, record in records.items():
        kind = kinds[name]
        seen[kind] += 1
        if kind == "nothing":
            assert record.quality == "trusted", record.reason
            continue
        assert record.quality == ("doubtful" if kind == "doubts" and name != hung else "failed")
        assert ("longer than the limit" if name == hung else reasons[kind]) in record.reason
    # Geometries of the minimum and its vibrations alone are not kept.
    away = {name for name, kind in kinds.items() if kind != "nothing"}
    assert away <= set(records) and hung in away
    assert len(away) > 4 and len(seen) > 3 and seen["nothing"] > 40


@pytest.mark.slow
def test_every_frame_that_trained_is_what_the_surfaces_are(learned):
    folder, _, _ = learned
    surfaces = _surfaces(folder)
    group = nadyn.load_dataset(folder / "out" / "dataset.h5").groups[0]
    assert group.n_frames > 40
    for positions, energies, forces in zip(group.positions, group.energies, group.forces, strict=True):
        assert surfaces.wrong(positions) == "nothing"
        expected, expected_forces, _ = surfaces.surfaces(positions)
        np.testing.assert_allclose(energies, expected, atol=1e-10)
        np.testing.assert_allclose(forces, expected_forces, atol=1e-10)


@pytest.mark.slow
def test_a_source_that_is_missing_is_named_and_the_loop_goes_on_when_it_is_back(learned, tmp_path):
    folder, config, record = learned
    shutil.copytree(folder / "out", tmp_path / "out")
    shutil.rmtree(tmp_path / "out" / "round_02")
    # Another folder than that of the function, which this process knows already.
    with pytest.raises(InputError, match=r"surfaces\.py"):
        learn(config, tmp_path / "out", beside=tmp_path, resume=True)
    (tmp_path / "surfaces.py").write_text(SOURCE)
    again = learn(config, tmp_path / "out", beside=tmp_path, resume=True)
    assert [one.answers for one in again.rounds[:2]] == [one.answers for one in record.rounds[:2]]
    assert again.rounds[-1].final and again.rounds[-1].frames > record.rounds[-1].frames
    # What the store holds is asked for no more.
    new = tmp_path / "asked.txt"
    asked = [file.read_text().splitlines() for file in (folder / "asked.txt", new) if file.exists()]
    assert len(asked) == 1 or not set(asked[0]) & set(asked[1])


def test_a_source_that_has_not_answered_yet_ends_the_round_in_a_sentence():
    label = Label(Quality.TRUSTED, "", np.zeros(2))
    assert answered([label, label]) == [label, label]
    with pytest.raises(InputError, match="2 of 3 labels are not there yet"):
        answered([None, label, None])


def test_labels_of_direct_trajectories_are_judged_before_they_train(tmp_path):
    facts = Facts("python", "a spring", (8, 1, 1), 0, (1,), frozenset({"forces"}), None)
    before = Known(np.eye(3), Label(Quality.TRUSTED, "", np.zeros(1), np.zeros((1, 3, 3))))
    # The energy jumps by 2.7 eV, and no force says so; the second has no label.
    jumped = Label(Quality.TRUSTED, "", np.full(1, 0.1), np.zeros((1, 3, 3)))
    inner = SimpleNamespace(
        facts=facts, ask=lambda questions: [Answer(jumped), Answer(None)], close=lambda: None
    )
    method = LabelMethod("python", "a spring", (8, 1, 1), 0, (1,), {})
    store = LabelStore(tmp_path / "store", method)
    desk = RecordingDesk(inner, store, every=1)
    questions = [Question(np.eye(3) + 0.01, (before,)), Question(np.eye(3) + 0.02, (before,))]
    answers = desk.ask(questions)
    assert answers[0].label is jumped and answers[1].label is None
    (record,) = store.records
    assert record.quality == "doubtful" and "energies miss those that forces predict" in record.reason
