"""One writer at a time: with locks, and on a disk that has none."""

import os
import subprocess
import sys
import time

import pytest

from nadyn.checks.errors import InputError, InputWarning, RunError
from nadyn.trajectory import one_writer
from nadyn.trajectory.one_writer import only_writer

HOLDER = """
import sys, time
from pathlib import Path
from nadyn.trajectory.one_writer import only_writer
with only_writer(Path(sys.argv[1]), patience_seconds=1.0):
    print("has it", flush=True)
    time.sleep(60)
"""


@pytest.fixture(params=["locks", "no locks"])
def disk(request, monkeypatch):
    if request.param == "no locks":
        monkeypatch.setattr(one_writer, "locked", lambda descriptor: None)
        monkeypatch.setattr(one_writer, "_LOOK_SECONDS", 0.02)
    return request.param


def test_a_second_writer_waits_and_is_refused(disk, tmp_path):
    path = tmp_path / "shard.h5"
    with only_writer(path, patience_seconds=0.0):
        with pytest.raises(InputError, match="must have one writer"), only_writer(path, patience_seconds=0.0):
            pass
    with only_writer(path, patience_seconds=0.0):
        pass
    assert not path.exists()


def test_the_lock_of_a_killed_process_is_free_at_once(tmp_path):
    path = tmp_path / "shard.h5"
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"has it\n"
        with pytest.raises(InputError, match="must have one writer"), only_writer(path, patience_seconds=0.0):
            pass
        holder.kill()
        holder.wait()
        with only_writer(path, patience_seconds=2.0):
            pass


def test_without_locks_a_writer_that_shows_nothing_for_two_minutes_is_dead(monkeypatch, tmp_path):
    monkeypatch.setattr(one_writer, "locked", lambda descriptor: None)
    monkeypatch.setattr(one_writer, "_LOOK_SECONDS", 0.02)
    owner = tmp_path / ".shard.h5.owner"
    owner.touch()
    os.utime(owner, (time.time() - 100, time.time() - 100))
    path = tmp_path / "shard.h5"
    with (
        pytest.warns(InputWarning, match=r"is writing '.*shard.h5'; waiting up to 0 s"),
        pytest.raises(InputError, match="must have one writer"),
        only_writer(path, patience_seconds=0.1),
    ):
        pass
    os.utime(owner, (time.time() - 130, time.time() - 130))
    with only_writer(path, patience_seconds=1.0):
        assert time.time() - owner.stat().st_mtime < 60
    assert not owner.exists()


def test_without_locks_a_writer_that_goes_on_for_long_shows_that_it_lives(monkeypatch, tmp_path):
    monkeypatch.setattr(one_writer, "locked", lambda descriptor: None)
    monkeypatch.setattr(one_writer, "_ALIVE_SECONDS", 0.02)
    owner = tmp_path / ".shard.h5.owner"
    with only_writer(tmp_path / "shard.h5", patience_seconds=1.0):
        os.utime(owner, (time.time() - 130, time.time() - 130))
        end = time.monotonic() + 60.0
        while time.time() - owner.stat().st_mtime > 60 and time.monotonic() < end:
            time.sleep(0.02)
        assert time.time() - owner.stat().st_mtime < 60


def test_who_took_over_after_the_look_keeps_what_he_took(monkeypatch, tmp_path):
    monkeypatch.setattr(one_writer, "locked", lambda descriptor: None)
    owner = tmp_path / ".shard.h5.owner"
    owner.touch()
    # The dead owner that was looked at has been replaced by a live one meanwhile.
    one_writer._take_away(owner)
    assert [path.name for path in tmp_path.iterdir()] == [owner.name]
    os.utime(owner, (time.time() - 130, time.time() - 130))
    one_writer._take_away(owner)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_takes_no_files_is_said(monkeypatch, tmp_path):
    def refuse(*_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(one_writer.os, "open", refuse)
    with (
        pytest.raises(RunError, match="cannot be written"),
        only_writer(tmp_path / "a", patience_seconds=0.0),
    ):
        pass
