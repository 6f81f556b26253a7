"""A killed writer leaves a file that opens, holds only sound frames, and resumes to the same digest."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
import toy_run

from nadyn.trajectory import TrajectoryWriter, digest, open_run
from nadyn.trajectory import writer as writer_module
from nadyn.trajectory.placing import building, check_new
from nadyn.trajectory.raw_file import RawFile


class Killed(BaseException):
    """Stands for SIGKILL: nothing in the writer may catch it and tidy up."""


def run_until_write(monkeypatch, path: Path, *, n_writes: int, n_steps: int, hop_copies: int = 1) -> bool:
    """Run until the n-th write, of which only half arrives; return whether the run was cut."""
    count = 0
    original, original_unlink = RawFile._write, Path.unlink
    opened, killed = [], []
    original_init = RawFile.__init__

    def write(self, offset, data):
        nonlocal count
        count += 1
        if count == n_writes:
            original(self, offset, bytes(data)[: len(data) // 2])
            killed.append(True)
            raise Killed
        original(self, offset, data)

    def init(self, *args, **options):
        original_init(self, *args, **options)
        opened.append(self)

    def unlink(self, **options):
        if not killed:  # the dead tidy nothing up
            original_unlink(self, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", unlink)
        patch.setattr(RawFile, "_write", write)
        patch.setattr(RawFile, "__init__", init)
        try:
            toy_run.run(path, n_steps=n_steps, resume=False, hop_copies=hop_copies)
        except Killed:
            for file in opened:
                file.close()  # the kernel does this for a killed process
            return True
    return False


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    path = tmp_path_factory.mktemp("undisturbed") / "run.h5"
    toy_run.run(path, n_steps=12, resume=False)
    return path


# Seven shares no factor with the writes of a frame or a checkpoint: all kinds of write are met.
@pytest.mark.parametrize("stride", [7, pytest.param(1, marks=pytest.mark.slow)])
def test_a_kill_in_the_middle_of_any_write_resumes_to_the_same_digest(
    tmp_path, monkeypatch, undisturbed, unchecked_annotations, stride
):
    expected = digest(undisturbed)
    cut_somewhere = 0
    n_writes, cut = 1, True
    while cut:
        path = tmp_path / f"{n_writes}.h5"
        cut = run_until_write(monkeypatch, path, n_writes=n_writes, n_steps=12)
        if path.exists():
            found = open_run(path)
            assert found.damaged_frames() == []
            assert np.array_equal(found.positions, open_run(undisturbed).positions[: found.committed_frames])
            cut_somewhere += bool(toy_run.run(path, n_steps=12, resume=True))
            assert digest(path) == expected
            path.unlink()
        else:
            # Killed before the file took its place: nothing is there, and a new start works.
            assert n_writes < 12
        n_writes += stride
    assert n_writes > 150
    assert cut_somewhere > 8


def test_a_kill_while_the_hop_table_grows_resumes_to_the_same_digest(
    tmp_path, monkeypatch, unchecked_annotations
):
    whole = tmp_path / "whole.h5"
    toy_run.run(whole, n_steps=20, resume=False, hop_copies=40)
    assert h5py.File(whole, "r")["hops/step"].shape[0] > 1024
    expected = digest(whole)
    for n_writes in range(140, 460, 45):
        path = tmp_path / f"{n_writes}.h5"
        assert run_until_write(monkeypatch, path, n_writes=n_writes, n_steps=20, hop_copies=40)
        toy_run.run(path, n_steps=20, resume=True, hop_copies=40)
        assert digest(path) == expected
        path.unlink()


N_STEPS = 1500


def kill_at_random_moment(path: Path, *, seed: int) -> None:
    program = [sys.executable, str(Path(toy_run.__file__)), str(path), str(N_STEPS)]
    child = subprocess.Popen(program, stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "ready\n"
    time.sleep(random.Random(seed).uniform(0.0, 1.0) * N_STEPS * 0.0004)
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()


@pytest.fixture(scope="module")
def long_run(tmp_path_factory):
    """The digest of a run of all steps."""
    path = tmp_path_factory.mktemp("long_run") / "run.h5"
    toy_run.run(path, n_steps=N_STEPS, resume=False)
    return digest(path)


@pytest.mark.parametrize("seed", [0, *[pytest.param(n, marks=pytest.mark.slow) for n in range(1, 40)]])
def test_sigkill_at_a_random_moment_resumes_to_the_same_digest(
    tmp_path, seed, long_run, unchecked_annotations
):
    killed = tmp_path / "killed.h5"
    kill_at_random_moment(killed, seed=seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("HDF5_USE_FILE_LOCKING", raising=False)
        if killed.exists():
            h5py.File(killed, "r").close()  # any HDF5 program opens it, with no clearing of flags
            found = open_run(killed)
            assert found.damaged_frames() == []
            toy_run.run(killed, n_steps=N_STEPS, resume=True)
        else:
            toy_run.run(killed, n_steps=N_STEPS, resume=False)
    assert digest(killed) == long_run
    assert not list(tmp_path.glob(".*partial"))


def test_a_second_writer_of_the_same_file_is_refused(tmp_path):
    path = tmp_path / "run.h5"
    writer = TrajectoryWriter.create(path, toy_run.header(20), toy_run.start())
    with pytest.raises(ValueError, match="must have one writer, but another run is writing it now"):
        TrajectoryWriter.resume(path)
    with pytest.raises(ValueError, match="must have one writer"):
        TrajectoryWriter.create(path, toy_run.header(20), toy_run.start(), overwrite=True)
    writer.close()
    TrajectoryWriter.resume(path)[0].close()


def test_two_that_begin_the_same_file_at_once_do_not_touch_each_others(tmp_path):
    path = tmp_path / "run.h5"
    with building(path) as partial:
        partial.write_bytes(b"of the first")
        with pytest.raises(ValueError, match="must have one writer, but another run is writing it now"):
            TrajectoryWriter.create(path, toy_run.header(20), toy_run.start())
        assert partial.read_bytes() == b"of the first"
    assert path.read_bytes() == b"of the first"
    assert [one.name for one in tmp_path.iterdir()] == ["run.h5"]


def test_who_begins_while_another_one_finishes_its_beginning_is_refused(tmp_path, monkeypatch):
    path, checks = tmp_path / "run.h5", []

    def check(where, *, overwrite):
        checks.append(where)
        if len(checks) == 2:
            # After the first look.
            where.write_bytes(b"of another")
        check_new(where, overwrite=overwrite)

    monkeypatch.setattr(writer_module, "check_new", check)
    with pytest.raises(ValueError, match=r"must be a new file, but .* exists"):
        TrajectoryWriter.create(path, toy_run.header(20), toy_run.start())
    assert path.read_bytes() == b"of another"


def test_who_may_not_go_on_with_a_run_removes_nothing_that_it_builds(tmp_path):
    path = tmp_path / "run.h5"
    writer = TrajectoryWriter.create(path, toy_run.header(20), toy_run.start())
    with building(path) as partial:
        partial.write_bytes(path.read_bytes())
        with pytest.raises(ValueError, match="must have one writer"):
            TrajectoryWriter.resume(path)
        assert partial.exists()
    writer.close()


def test_what_a_killed_builder_has_left_is_removed(tmp_path):
    path = tmp_path / "run.h5"
    for name in (".run.h5.partial", ".run.h5.building"):
        (tmp_path / name).write_bytes(b"left")
    TrajectoryWriter.create(path, toy_run.header(20), toy_run.start()).close()
    assert [one.name for one in tmp_path.iterdir()] == ["run.h5"]
    for name in (".run.h5.partial", ".run.h5.building"):
        (tmp_path / name).write_bytes(b"left")
    TrajectoryWriter.resume(path)[0].close()
    assert [one.name for one in tmp_path.iterdir()] == ["run.h5"]


def test_damage_to_the_newest_checkpoint_falls_back_to_the_one_before(tmp_path):
    path = tmp_path / "run.h5"
    state = toy_run.start()
    writer = TrajectoryWriter.create(path, toy_run.header(20), state)
    for number in range(1, 5):
        writer.write_frame(number - 1, toy_run.frame(state))
        state = toy_run.step(state, number, 20)
        writer.checkpoint(number, state)
    writer._file.close()
    newest = RawFile(path)
    newest.write_rows("momenta", 3, newest.read_rows("momenta", 3, 4) + 1e-9)
    newest.close()
    assert open_run(path, verified=False).damaged_frames() == [3]
    assert open_run(path).step == 3
    writer, state, notices = TrajectoryWriter.resume(path)
    assert writer.step == 3
    assert notices[0] == "The newest checkpoint is damaged; going on from the one before, step 3."
    assert np.isnan(h5py.File(path, "r", locking=False)["momenta"][3]).all()


def test_damage_to_committed_frames_is_refused_in_one_sentence(tmp_path, undisturbed):
    path = tmp_path / "run.h5"
    path.write_bytes(undisturbed.read_bytes())
    file = RawFile(path)
    file.write_rows("energies", 2, file.read_rows("energies", 2, 3) + 1e-12)
    file.close()
    with pytest.raises(ValueError, match="none agrees with its checksum"):
        TrajectoryWriter.resume(path)
