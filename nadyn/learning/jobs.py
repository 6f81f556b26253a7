"""Work in processes of its own, several side by side, that ends when the process that asked for it ends."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nadyn.checks.errors import InputError, RunError

# What a job exits with, as the program does.
REFUSED, FAILED, INTERRUPTED = 2, 3, 130
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_LOOK_SECONDS = 0.2


@dataclass(frozen=True)
class Job:
    """A function, "nadyn.learning.swarm:run_swarm", and its arguments, which JSON can hold."""

    function: str
    arguments: Mapping[str, object]


@dataclass
class _Running:
    job: Job
    process: subprocess.Popen
    errors: object


def side_by_side(
    jobs: Sequence[Job], *, processes: int, waiting: Callable[[int], None] = lambda n_done: None
) -> None:
    """Do all jobs, so many at a time, each in a process of one thread; none of them returns anything.

    A job writes files and can be done again where it was interrupted. If this process is killed, the jobs end
    at once; Ctrl-C and SIGTERM are passed on to them, and they end as they would by themselves.

    Args:
        jobs: What to do.
        processes: How many at a time.
        waiting: Called now and then with the number of jobs that are done.

    Raises:
        InputError: A job was refused; the others are ended.
        RunError: A job failed, or its process died.
        KeyboardInterrupt: As usual; the jobs have ended.
    """
    left, running, n_done = list(jobs), [], 0
    try:
        while left or running:
            while left and len(running) < processes:
                running.append(_start(left.pop(0)))
            time.sleep(_LOOK_SECONDS)
            for one in [one for one in running if one.process.poll() is not None]:
                running.remove(one)
                _judge(one)
                n_done += 1
            waiting(n_done)
    except KeyboardInterrupt:
        _end(running, signal.SIGTERM)
        raise
    finally:
        _end(running, signal.SIGKILL)


def _start(job: Job) -> _Running:
    here = str(Path(__file__).parents[2])
    path = os.pathsep.join(part for part in (here, os.environ.get("PYTHONPATH", "")) if part)
    errors = tempfile.TemporaryFile()
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "nadyn.learning.job_process"],
        # It stays open: a job whose input ends has lost the one that asked for it.
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=errors,
        env={**os.environ, **dict.fromkeys(_THREADS, "1"), "PYTHONPATH": path},
        # A Ctrl-C at the terminal is passed on once, by this process.
        start_new_session=True,
        text=True,
    )
    text = json.dumps({"function": job.function, "arguments": dict(job.arguments)})
    try:
        process.stdin.write(text + "\n")
        process.stdin.flush()
    except OSError:
        pass  # It has died already, which the exit code says.
    return _Running(job, process, errors)


def _judge(one: _Running) -> None:
    code = one.process.returncode
    text = _said(one)
    _close(one)
    if code == 0:
        return
    if code == REFUSED:
        raise InputError(text)
    if code == INTERRUPTED:
        raise KeyboardInterrupt(text)
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    raise RunError(text if code == FAILED else f"{one.job.function} ended with {how}: {text or 'no word'}")


def _said(one: _Running) -> str:
    one.errors.seek(0)
    return one.errors.read().decode(errors="replace").strip()[-2000:]


def _end(running: list[_Running], number: int) -> None:
    for one in running:
        if one.process.poll() is None:
            one.process.send_signal(number)
    for one in running:
        one.process.wait()
    if number == signal.SIGKILL:
        for one in running:
            _close(one)
        running.clear()


def _close(one: _Running) -> None:
    try:
        one.process.stdin.close()
    except OSError:
        pass  # What could not be written to a dead process.
    one.errors.close()
