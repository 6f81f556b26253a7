"""A store of labels: whole or not at all, whoever writes and whoever is killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from nadyn.checks.errors import InputError
from nadyn.data.label_record import LabelMethod, Record, geometry_name
from nadyn.data.label_store import LabelStore

METHOD = LabelMethod("test", "springs", (8, 1), 0, (1, 1, 1), {"basis": "none"})
WRITER = """
import sys
import numpy as np
from nadyn.data.label_record import LabelMethod, Record
from nadyn.data.label_store import LabelStore

folder, first, last = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
store = LabelStore(folder, LabelMethod("test", "springs", (8, 1), 0, (1, 1, 1), {"basis": "none"}))
for n in range(first, last):
    positions = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 1.0 + 0.01 * n]])
    store.add(Record(positions, "trusted", "", np.array([0.0, 1.0, 2.0]) + n, memory={"big": np.zeros(3000)}))
    print(n, flush=True)
"""


def positions(n):
    return np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 1.0 + 0.01 * n]])


def record(n=0, **more):
    content = {"quality": "trusted", "reason": "", "energies": np.array([0.0, 1.0, 2.0]) + n}
    return Record(positions(n), **{**content, **more})


def writer(folder, first, last):
    root = str(Path(__file__).parents[2])
    return subprocess.Popen(
        [sys.executable, "-P", "-c", WRITER, str(folder), str(first), str(last)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1"},
        text=True,
    )


def test_a_record_comes_back_as_it_was_given(tmp_path):
    given = record(
        reason="",
        forces=np.arange(18.0).reshape(3, 2, 3),
        interstate_couplings=np.full((3, 2, 3), np.nan),
        dipoles=np.ones((3, 3, 3)),
        seconds=1.5,
        checks={"spin_error": 1e-9},
        memory={"orbitals": np.arange(6.0).reshape(2, 3)},
        tag="minimum",
    )
    LabelStore(tmp_path, METHOD).add(given)
    (found,) = LabelStore(tmp_path, METHOD).records
    for name in ("positions", "energies", "forces", "interstate_couplings", "dipoles"):
        np.testing.assert_array_equal(getattr(found, name), getattr(given, name))
    np.testing.assert_array_equal(found.memory["orbitals"], given.memory["orbitals"])
    assert (found.seconds, found.checks, found.tag) == (1.5, {"spin_error": 1e-9}, "minimum")
    assert abs(found.written - time.time()) < 60.0


def test_a_geometry_is_found_again_with_rounded_digits_and_no_other_is(tmp_path):
    store = LabelStore(tmp_path, METHOD)
    store.add(record(3))
    assert positions(3) + 1e-9 in store and positions(3) + 1e-6 not in store
    assert geometry_name(positions(3) * -0.0 + positions(3)) == geometry_name(positions(3))


def test_labels_of_another_method_or_setting_are_not_seen(tmp_path):
    LabelStore(tmp_path, METHOD).add(record())
    other = LabelMethod("test", "springs", (8, 1), 0, (1, 1, 1), {"basis": "another"})
    assert len(LabelStore(tmp_path, other)) == 0 and len(LabelStore(tmp_path, METHOD)) == 1


def test_what_another_writer_adds_is_seen_after_a_refresh(tmp_path):
    here, there = LabelStore(tmp_path, METHOD), LabelStore(tmp_path, METHOD)
    there.add(record(1))
    assert positions(1) not in here
    here.refresh()
    assert positions(1) in here and here.get(positions(1)).energies[0] == 1.0


def test_two_writers_at_a_time_lose_nothing_and_write_nothing_twice(tmp_path):
    both = [writer(tmp_path, 0, 30), writer(tmp_path, 20, 50)]
    assert [one.wait(60) for one in both] == [0, 0]
    for one in both:
        one.stdout.close()
    store = LabelStore(tmp_path, METHOD)
    assert len(store) == 50 and store.damaged == ()
    assert all(store.get(positions(n)).energies[0] == n for n in range(50))
    assert len(list(tmp_path.rglob("*.h5"))) == 50 and not list(tmp_path.rglob(".*.tmp"))


@pytest.mark.parametrize("n_written", [1, 25])
def test_a_killed_writer_loses_at_most_the_label_that_it_was_writing(tmp_path, n_written):
    process = writer(tmp_path, 0, 100_000)
    for _ in range(n_written):
        told = int(process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    told = max([told, *(int(line) for line in process.stdout if line.endswith("\n"))])
    process.wait()
    process.stdout.close()
    store = LabelStore(tmp_path, METHOD)
    assert store.damaged == ()
    assert told + 1 <= len(store) <= told + 2
    assert all(store.get(positions(n)).energies[0] == n for n in range(len(store)))


def test_a_torn_file_is_as_if_it_were_not_there_until_it_is_written_again(tmp_path):
    path = next(LabelStore(tmp_path, METHOD).folder.glob("*")) / f"{record().name}.h5"
    LabelStore(tmp_path, METHOD).add(record())
    path.write_bytes(path.read_bytes()[:500])
    store = LabelStore(tmp_path, METHOD)
    assert store.damaged == (path.name,) and positions(0) not in store
    store.add(record())
    assert store.damaged == () and LabelStore(tmp_path, METHOD).damaged == ()


def test_what_a_killed_writer_left_is_cleared_away_when_it_is_old(tmp_path):
    place = next(LabelStore(tmp_path, METHOD).folder.glob("*"))
    old, new = place / ".a.h5.1.1.tmp", place / ".b.h5.1.1.tmp"
    for path in (old, new):
        path.write_bytes(b"half of a label")
    os.utime(old, (time.time() - 7200.0,) * 2)
    LabelStore(tmp_path, METHOD)
    assert not old.exists() and new.exists()


def test_the_nearest_are_trusted_labels_in_any_orientation(tmp_path):
    store = LabelStore(tmp_path, METHOD)
    for n, quality in enumerate(("trusted", "doubtful", "trusted")):
        store.add(record(n, quality=quality))
    there = positions(1)[:, [2, 0, 1]] + 3.0
    found = store.nearest(there, most=5)
    assert [one.quality for _, one in found] == ["trusted"] * 2
    assert [distance for distance, _ in found] == pytest.approx([0.005, 0.005], abs=1e-7)
    group = store.group("molecule")
    assert len(group.positions) == 2


def test_a_label_that_does_not_fit_is_refused(tmp_path):
    store = LabelStore(tmp_path, METHOD)
    with pytest.raises(InputError, match="2 atoms and 3 states"):
        store.add(record(energies=np.zeros(2)))
    with pytest.raises(InputError, match="must be one of trusted, doubtful, failed"):
        store.add(record(quality="good"))
    with pytest.raises(InputError, match="must hold a trusted label"):
        store.group("molecule")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="must be a folder"):
        LabelStore(tmp_path / "file", METHOD)
