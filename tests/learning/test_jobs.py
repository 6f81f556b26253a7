"""Jobs in processes of their own: side by side, their errors told, and none outlives the one that asked."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nadyn.checks.errors import InputError, RunError
from nadyn.learning.jobs import Job, side_by_side


@pytest.fixture(autouse=True)
def _own_functions(monkeypatch):
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    monkeypatch.setenv("PYTHONPATH", path)


def test_jobs_do_their_work_side_by_side(tmp_path):
    jobs = [
        Job("job_functions:write", {"path": str(tmp_path / name), "text": name * 2})
        for name in ("a", "b", "c")
    ]
    seen = []
    side_by_side(jobs, processes=2, waiting=seen.append)
    assert [(tmp_path / name).read_text() for name in "abc"] == ["aa", "bb", "cc"]
    assert seen == sorted(seen) and seen[-1] == 3


def test_what_is_refused_is_said_in_the_same_words():
    with pytest.raises(InputError, match=r"^`data` must be good, but is bad\.$"):
        side_by_side(
            [Job("job_functions:refuse", {"sentence": "`data` must be good, but is bad."})], processes=1
        )


def test_a_job_that_breaks_is_no_success():
    with pytest.raises(RunError, match="unexpected keyword argument"):
        side_by_side([Job("job_functions:write", {"words": "?"})], processes=1)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_no_job_outlives_the_process_that_asked(tmp_path, number):
    mark = tmp_path / "mark"
    program = (
        "from nadyn.electronic.interrupt import termination_interrupts\n"
        "from nadyn.learning.jobs import Job, side_by_side\n"
        "with termination_interrupts():\n"
        f"    side_by_side([Job('job_functions:count', {{'path': {str(mark)!r}}})], processes=1)\n"
    )
    asking = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not mark.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(asking.pid, number)
    assert asking.wait(timeout=30) != 0
    time.sleep(0.5)
    before = mark.read_text()
    time.sleep(0.5)
    assert mark.read_text() == before
