"""Label sources in processes of their own, one thread each, which may crash or hang without harm."""

import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from jaxtyping import Float

from nadyn.checks.errors import InputError
from nadyn.electronic.direct.questions import Answer, Question
from nadyn.electronic.labels import Known, Label, Quality
from nadyn.interfaces.messages import from_words, label_from_arrays, question_arrays, receive, send, words
from nadyn.interfaces.sources import source_from

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass
class _Worker:
    """A process, the file of what it complains of, and what it works on since when."""

    process: subprocess.Popen
    complaints: IO[bytes]
    key: int | None = None
    since: float = 0.0


class WorkerPool:
    """Processes that hold one source each; use it in a `with` block, at whose end they are gone.

    The source is built from its configuration here too, so that a wrong one is refused at once.
    """

    def __init__(
        self,
        configuration: Mapping[str, object],
        atomic_numbers: Sequence[int],
        *,
        processes: int,
        time_limit_seconds: float | None = None,
        folder: Path | None = None,
    ) -> None:
        """Check the configuration; processes begin as they are needed.

        Args:
            configuration: As `source_from` takes it.
            atomic_numbers: One number an atom.
            processes: How many.
            time_limit_seconds: Time by the clock after which a label has failed and its process is ended.
            folder: Where relative paths in the configuration begin; the working folder if None.

        Raises:
            InputError: The configuration cannot be used, or there is no process.
        """
        if processes < 1:
            raise InputError(f"`processes` must be at least 1, but is {processes}.")
        self.source = source_from(configuration, atomic_numbers, folder=folder)
        self._first = {
            "configuration": words(configuration),
            "atomic_numbers": np.array(list(atomic_numbers), dtype=np.int64),
            "folder": words(str((folder or Path()).absolute())),
        }
        self._most = processes
        self._time_limit = time_limit_seconds
        self._workers: list[_Worker] = []

    def __enter__(self) -> "WorkerPool":
        """Nothing begins before it is needed."""
        return self

    def __exit__(self, *error: object) -> None:
        """End all processes, whatever they do."""
        self.close()

    @property
    def n_busy(self) -> int:
        return sum(worker.key is not None for worker in self._workers)

    @property
    def has_room(self) -> bool:
        return self.n_busy < self._most

    def submit(self, key: int, positions: Float[np.ndarray, "atom 3"], near: Sequence[Known] = ()) -> None:
        """Give a geometry to a free process; its label comes out of `wait` with the key."""
        self.submit_question(key, Question(positions, tuple(near)))

    def submit_question(self, key: int, question: Question) -> None:
        """Give a question to a free process; its answer comes out of `wait_for_answers` with the key."""
        worker = next((w for w in self._workers if w.key is None), None) or self._begin()
        worker.key, worker.since = key, time.monotonic()
        try:
            send(worker.process.stdin, question_arrays(question))
        except BrokenPipeError:
            # It has ended; `wait` finds out and says why.
            return

    def wait(self, timeout_seconds: float | None = None) -> list[tuple[int, Label | None]]:
        """Return what was labelled, waiting for one label if there is none.

        Labels of processes that crashed or took too long have failed; None is one that is not there yet.

        Raises:
            InputError: The source refuses: it would be as wrong for every other geometry.
        """
        return [(key, answer.label) for key, answer in self.wait_for_answers(timeout_seconds)]

    def wait_for_answers(self, timeout_seconds: float | None = None) -> list[tuple[int, Answer]]:
        """Return what was answered, as `wait` does, with the overlaps that were asked for."""
        busy = [worker for worker in self._workers if worker.key is not None]
        if not busy:
            return []
        with selectors.DefaultSelector() as selector:
            for worker in busy:
                selector.register(worker.process.stdout, selectors.EVENT_READ, worker)
            ready = [key.data for key, _ in selector.select(self._patience(busy, timeout_seconds))]
        done = [self._collect(worker) for worker in ready]
        for worker in busy:
            if worker.key is not None and self._is_late(worker):
                done.append((worker.key, Answer(failed_label(self.source.multiplicities, self._too_long()))))
                self._end(worker)
        return done

    def close(self) -> None:
        """End all processes."""
        for worker in list(self._workers):
            self._end(worker)

    def _begin(self) -> _Worker:
        root = str(Path(__file__).resolve().parents[2])
        paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {
            **os.environ,
            **dict.fromkeys(_THREADS, "1"),
            "PYTHONPATH": os.pathsep.join(paths),
        }
        complaints = tempfile.TemporaryFile()
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "nadyn.interfaces.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            env=environment,
            # Ctrl-C is for the one who asks; it ends the processes.
            start_new_session=True,
        )
        worker = _Worker(process, complaints)
        self._workers.append(worker)
        try:
            send(process.stdin, self._first)
        except BrokenPipeError:
            return worker
        return worker

    def _collect(self, worker: _Worker) -> tuple[int, Answer]:
        key, worker.key = worker.key, None
        message = receive(worker.process.stdout)
        if message is None:
            reason = f"the process of the source ended: {self._last_words(worker)}"
            self._end(worker)
            return key, Answer(failed_label(self.source.multiplicities, reason))
        kind = from_words(message["kind"])
        if kind == "refused":
            self._end(worker)
            raise InputError(str(from_words(message["sentence"])))
        label = None if kind == "none" else label_from_arrays(message, "label.")
        return key, Answer(label, message.get("overlap"))

    def _last_words(self, worker: _Worker) -> str:
        code = worker.process.wait()
        worker.complaints.seek(0)
        lines = worker.complaints.read().decode(errors="replace").strip().splitlines()
        told = lines[-1].strip() if lines else "it said nothing"
        return f"{told} (exit code {code})."

    def _end(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        if worker.process.poll() is None:
            # With all that it has started: it leads a session of its own.
            os.killpg(worker.process.pid, signal.SIGKILL)
        worker.process.wait()
        for stream in (worker.process.stdin, worker.process.stdout, worker.complaints):
            try:
                stream.close()
            except BrokenPipeError:
                # What was not sent any more is not needed.
                continue

    def _patience(self, busy: Sequence[_Worker], timeout: float | None) -> float | None:
        limits = [timeout] if timeout is not None else []
        if self._time_limit is not None:
            oldest = min(worker.since for worker in busy)
            limits.append(max(0.0, oldest + self._time_limit - time.monotonic()))
        return min(limits) if limits else None

    def _is_late(self, worker: _Worker) -> bool:
        return self._time_limit is not None and time.monotonic() - worker.since >= self._time_limit

    def _too_long(self) -> str:
        return f"it took longer than the limit of {self._time_limit:g} seconds."


def failed_label(multiplicities: Sequence[int], reason: str) -> Label:
    """Return a label without numbers, and why it has none."""
    return Label(Quality.FAILED, reason, np.full(len(multiplicities), np.nan))
