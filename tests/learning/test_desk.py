"""The desk of labels: what crashes, hangs or lies costs one label; the number of processes changes none."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from nadyn.checks.errors import InputError
from nadyn.electronic.labels import Quality
from nadyn.learning.desk import Desk

ROOT = Path(__file__).parents[2]
SOURCE = '''
"""A spring whose stretch decides what goes wrong."""

import os
import time
from pathlib import Path

import numpy as np


def label(positions, near=()):
    with open(Path(__file__).with_name("asked.txt"), "a") as file:
        file.write(f"{positions[1, 2]:.6f}\\n")
    way = positions[1] - positions[0]
    r = np.linalg.norm(way)
    number = round((r - 1.0) * 100)
    if number == 3:
        raise RuntimeError("no convergence")
    if number == 4:
        os._exit(9)
    if number == 5:
        time.sleep(60)
    if number == 7:
        time.sleep(0.05)
    energies = np.array([0.5 * (r - 1.0) ** 2, 1.0])
    slope = (r - 1.0) * way / r
    forces = np.zeros((2, 2, 3))
    forces[0] = slope, -slope
    if number == 6:
        energies[1] = np.nan
    return {"energies": energies, "forces": forces}
'''


def geometry(number):
    return np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 1.0 + 0.01 * number]])


def desk(folder, **keys):
    (folder / "spring.py").write_text(SOURCE)
    source = {
        "function": "spring.py:label",
        "theory": "a spring",
        "multiplicities": [1, 1],
        "gives": ["forces"],
        "length_unit": "bohr",
        "energy_unit": "hartree",
    }
    return Desk({"python": source}, (8, 8), folder / "store", folder=folder, **keys)


def asked(folder):
    return (folder / "asked.txt").read_text().splitlines()


def test_a_bad_label_has_failed_and_the_others_go_on(tmp_path):
    """An exception, a crash, a process that hangs, NaN."""
    with desk(tmp_path, processes=1, time_limit_seconds=4.0) as one:
        # The time of a process begins when it is asked; the first label pays for its imports.
        labels = one.label(np.stack([geometry(n) for n in (0, 3, 6, 4, 5, 1)]))
        qualities = [label.quality for label in labels]
        assert qualities == [Quality.TRUSTED, *[Quality.FAILED] * 4, Quality.TRUSTED]
        assert "no convergence" in labels[1].reason and "finite" in labels[2].reason
        assert "exit code 9" in labels[3].reason and "longer than the limit of 4 seconds" in labels[4].reason
        n_asked = len(asked(tmp_path))
        # What has failed is known to have failed, and is asked for again only by wish.
        assert [label.quality for label in one.label(np.stack([geometry(3)]))] == [Quality.FAILED]
        assert len(asked(tmp_path)) == n_asked
        one.label(np.stack([geometry(3)]), again=True)
        assert len(asked(tmp_path)) == n_asked + 1


def test_nothing_is_labelled_twice_and_the_store_is_shared(tmp_path):
    with desk(tmp_path) as one:
        twice = one.label(np.stack([geometry(n) for n in (0, 1, 1, 0)]))
        assert len(asked(tmp_path)) == 2 and twice[0] is twice[3]
    with desk(tmp_path) as another:
        seen = []
        another.label(np.stack([geometry(n) for n in (1, 0)]), progress=seen.append)
        assert len(asked(tmp_path)) == 2
        assert [(p.n_done, p.n) for p in seen] == [(2, 2)]


@pytest.mark.slow
def test_labels_begin_from_the_same_geometries_whatever_the_number_of_processes(tmp_path, monkeypatch):
    begun = {}
    geometries = np.stack([geometry(n) for n in (0, 7, 1, 8, 2, 9, 10, 11, 12, 13, 14, 15)])
    for processes in (1, 3):
        folder = tmp_path / str(processes)
        folder.mkdir()
        with desk(folder, processes=processes) as one:
            plain, begun[processes] = one._pool.submit, {}

            def submit(number, positions, near, plain=plain, seen=begun[processes]):
                seen[number] = [round(float(known.positions[1, 2]), 6) for known in near]
                plain(number, positions, near)

            monkeypatch.setattr(one._pool, "submit", submit)
            labels = one.label(geometries)
        assert all(label.quality is Quality.TRUSTED for label in labels)
    assert begun[1] == begun[3] and any(begun[1].values())


def test_a_file_named_like_a_package_in_the_working_folder_is_not_imported(tmp_path, monkeypatch):
    for name in ("pyscf", "ase", "numpy", "torch"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('shadowed')\n")
    monkeypatch.chdir(tmp_path)
    with desk(tmp_path) as one:
        (label,) = one.label(geometry(0)[None])
    assert label.quality is Quality.TRUSTED


def test_a_source_that_cannot_be_used_is_refused_before_any_process_begins(tmp_path):
    with pytest.raises(InputError, match="`processes` must be at least 1"):
        desk(tmp_path, processes=0)
    with pytest.raises(InputError, match="spring"):
        Desk({"python": {"function": "spring.py:nothing", "theory": "a"}}, (8, 8), tmp_path / "store")


@pytest.mark.slow
def test_a_terminated_desk_ends_its_processes_and_goes_on_where_it_was(tmp_path):
    script = (
        "import sys; from pathlib import Path; import numpy as np\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from test_desk import desk, geometry\n"
        "with desk(Path(sys.argv[1])) as one:\n"
        "    tell = lambda p: print(p.n_done, flush=True)\n"
        "    one.label(np.stack([geometry(n) for n in (0, 1, 5, 2)]), progress=tell)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        text=True,
    )
    # The third one hangs.
    while not (tmp_path / "asked.txt").exists() or len(asked(tmp_path)) < 3:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=20)
    assert process.returncode != 0 and "KeyboardInterrupt" in said[1]
    with desk(tmp_path) as one:
        labels = one.label(np.stack([geometry(n) for n in (0, 1, 2)]))
    assert all(label.quality is Quality.TRUSTED for label in labels)
    assert asked(tmp_path).count("1.010000") == 1 and len(asked(tmp_path)) == 4
