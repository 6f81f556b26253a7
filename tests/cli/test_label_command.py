"""`nadyn label` from the command line."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from sharc_texts import qm_out

from nadyn.cli.main import main
from nadyn.data import Dataset, load_dataset, write_dataset
from nadyn.interfaces.sources import source_from
from nadyn.learning import desk
from nadyn.structures import read_xyz

STARTS = """3
first
O 0 0 0
H 0 0.76 0.59
H 0 -0.76 0.59
3
second
O 0 0 0.02
H 0 0.76 0.59
H 0.1 -0.76 0.59
"""
FUNCTION = """
from pathlib import Path
import numpy as np
CALLS = Path("calls.txt")
def label(positions):
    before = CALLS.read_text() if CALLS.exists() else ""
    CALLS.write_text(before + "x")
    if positions[0, 2] > 0.01:
        raise RuntimeError(f"no convergence after {len(before) + 50} cycles")
    way = positions - positions.mean(0)
    square = (way**2).sum()
    return {"energies": [0.05 * square, 0.06 * square + 0.2], "forces": np.stack([-0.1 * way, -0.12 * way])}
"""


class PoolInThisProcess:
    """What the desk needs of a pool of processes, without the processes."""

    def __init__(self, configuration, atomic_numbers, *, processes, time_limit_seconds=None, folder=None):
        self.source = source_from(configuration, atomic_numbers, folder=folder)
        self._task = None

    @property
    def has_room(self):
        return self._task is None

    def submit(self, key, positions, near=()):
        self._task = key, positions, near

    def wait(self):
        key, positions, near = self._task
        self._task = None
        return [(key, self.source.label(positions, near))]

    def close(self):
        pass


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working folder with two geometries, and sources that are asked in this process."""
    monkeypatch.setattr(desk, "WorkerPool", PoolInThisProcess)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "starts.xyz").write_text(STARTS)
    (tmp_path / "surfaces.py").write_text(FUNCTION)
    (tmp_path / "function.yaml").write_text(
        "python: {function: 'surfaces.py:label', theory: springs, multiplicities: [1, 1]}\n"
    )
    (tmp_path / "sharc.yaml").write_text("folder: {folder: asked, theory: by hand, states: [2, 0, 1]}\n")
    return tmp_path


def _run(*arguments):
    with pytest.raises(SystemExit) as left:
        main(["label", *map(str, arguments)])
    return left.value.code


def test_a_folder_is_asked_once_and_read_when_its_answers_have_come(here, capsys):
    command = ("starts.xyz", "--source", "sharc.yaml", "--output", "data.h5")
    assert _run(*command) == 0
    out = capsys.readouterr().out
    assert "0 trusted, 0 doubtful, 0 failed, 2 to come of 2 geometries" in out
    assert "2 labels to come: type the same command again." in out
    places = sorted(path for path in (here / "asked").iterdir() if path.is_dir())
    assert len(places) == 2
    energies, forces = np.array([-76.0, -75.7, -75.8]), np.arange(1.0, 28.0).reshape(3, 3, 3)
    d = np.zeros((3, 3, 3, 3))
    d[0, 1], d[1, 0] = 0.5, -0.5
    (places[1] / "QM.out").write_text(qm_out((2, 0, 1), energies, forces, d))
    (places[0] / "QM.out").write_text(qm_out((2, 0, 1), energies, forces, d)[:-3])
    assert _run(*command) == 0
    out = capsys.readouterr().out
    assert "1 trusted, 0 doubtful, 0 failed, 1 to come" in out
    assert f"1 answer begun and without an end: {places[0] / 'QM.out'}" in out
    group = load_dataset("data.h5").groups[0]
    np.testing.assert_allclose(group.positions[0], read_xyz(places[1] / "geometry.xyz").positions)
    np.testing.assert_allclose(group.energies, energies[None])
    assert (group.multiplicities, group.theory, group.n_frames) == ((1, 1, 3), "by hand", 1)
    (places[0] / "FAILED").write_text("the machine was switched off")
    assert _run(*command, "--overwrite") == 0
    out = capsys.readouterr().out
    assert "1 trusted, 0 doubtful, 1 failed of 2 geometries" in out
    assert "the machine was switched off (geometry " in out


def test_nothing_is_computed_twice_but_what_failed_and_is_asked_again(here, capsys):
    command = ("starts.xyz", "--source", "function.yaml", "--json", "out.json")
    assert _run(*command, "--output", "data.h5") == 0
    assert "wrote data.h5: 1 trusted label" in capsys.readouterr().out
    assert _run(*command) == 0
    assert (here / "calls.txt").read_text() == "xx"
    assert _run(*command, "--again") == 0
    assert (here / "calls.txt").read_text() == "xxx"
    assert "1 failed: RuntimeError: no convergence after 52 cycles (geometry 1)" in capsys.readouterr().out
    rows = json.loads((here / "out.json").read_text())["geometries"]
    assert [(row["tag"], row["quality"]) for row in rows] == [("starts", "trusted"), ("starts", "failed")]


def test_labels_are_laid_on_older_ones_and_the_dataset_says_so(here, capsys):
    command = ("starts.xyz", "--source", "function.yaml", "--overwrite")
    _run(*command, "--output", "new.h5")
    group = load_dataset("new.h5").groups[0]
    older = {"energies": group.energies + np.array([1.0, 2.0]), "theory": "older level", "note": ""}
    write_dataset("old.h5", Dataset((replace(group, **older),)))
    assert _run(*command, "--output", "shifted.h5", "--match", "old.h5") == 0
    shifted = load_dataset("shifted.h5").groups[0]
    np.testing.assert_allclose(shifted.energies, older["energies"])
    assert shifted.note.startswith(
        "energies were shifted by +1.00000000, +2.00000000 hartree a state onto older"
    )
    assert shifted.theory == "springs"


def test_where_no_label_is_trusted_the_command_fails_and_says_why(here, capsys):
    (here / "starts.xyz").write_text("3\n" + STARTS.split("\n3\n")[1])
    assert _run("starts.xyz", "--source", "function.yaml", "--output", "data.h5") == 1
    captured = capsys.readouterr()
    assert "no convergence after 50 cycles" in captured.out
    assert "none of 1 label is trusted" in captured.err
    assert not (here / "data.h5").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--source", "function.yaml"), "geometries must be given"),
        (("starts.xyz", "--source", "nowhere.yaml"), "source file 'nowhere.yaml' must exist"),
        (
            ("starts.xyz", "--source", "function.yaml", "--match", "starts.xyz"),
            "must stand beside `--output`",
        ),
        (("starts.xyz", "--source", "function.yaml", "--output", "starts.xyz"), "must not exist yet"),
        (
            ("starts.xyz", "--source", "function.yaml", "--json", "starts.xyz"),
            "must not be a file that is read",
        ),
        (("starts.xyz", "--source", "function.yaml", "--time-limit-minutes", "0"), "must be positive"),
        (("starts.xyz", "--source", "function.yaml", "--store", "starts.xyz"), "must be a folder"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_labelled(here, capsys, arguments, sentence):
    assert _run(*arguments) == 2
    assert sentence in " ".join(capsys.readouterr().err.split())
    assert not (here / "calls.txt").exists()


@pytest.mark.slow
def test_an_interrupted_command_keeps_its_labels_and_goes_on(tmp_path):
    frames = "".join(f"2\n\nH 0 0 0\nH 0 0 {0.7 + 0.01 * number}\n" for number in range(30))
    (tmp_path / "starts.xyz").write_text(frames)
    (tmp_path / "slow.py").write_text(
        "import time\nimport numpy as np\n"
        "def label(x):\n    time.sleep(0.4)\n    open('calls.txt', 'a').write('x')\n"
        "    return {'energies': [0.0], 'forces': np.zeros((1, 2, 3))}\n"
    )
    (tmp_path / "slow.yaml").write_text("python: {function: 'slow.py:label', theory: slow}\n")
    command = [sys.executable, "-m", "nadyn", "label", "starts.xyz", "--source", "slow.yaml"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for number in (signal.SIGTERM, signal.SIGKILL):
        process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
        calls = tmp_path / "calls.txt"
        before = len(calls.read_text()) if calls.exists() else 0
        while not calls.exists() or len(calls.read_text()) < before + 3:
            time.sleep(0.05)
        process.send_signal(number)
        _, error = process.communicate(timeout=60)
        assert process.returncode == (130 if number == signal.SIGTERM else -signal.SIGKILL)
        assert number == signal.SIGKILL or "type the same command to go on" in error
    done = subprocess.run(
        [*command, "--output", "data.h5"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert "30 trusted, 0 doubtful, 0 failed of 30 geometries" in done.stdout
    # One label was lost with each of the two.
    assert 30 <= len((tmp_path / "calls.txt").read_text()) <= 34
