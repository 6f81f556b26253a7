"""A desk of processes: each labels one geometry at a time, on one thread; what hangs or dies is replaced."""

import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

import numpy as np

from nadyn.checks.errors import InputError
from nadyn.electronic.direct.array_bytes import from_bytes, to_bytes
from nadyn.electronic.direct.questions import Answer, Facts, Question, facts_of
from nadyn.electronic.labels import Label, Quality
from nadyn.interfaces.label_messages import answer_from, question_to_bytes
from nadyn.interfaces.label_process import framed, read_message
from nadyn.interfaces.sources import source_from

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_LONGEST_REASON = 200


class LabelDesk:
    """Asks a source in processes of their own; see `Desk`."""

    def __init__(
        self,
        source: Mapping[str, object],
        atomic_numbers: Sequence[int],
        *,
        folder: Path,
        processes: int,
        timeout_seconds: float,
    ) -> None:
        """Prepare the desk; the processes start when they are needed.

        Args:
            source: One key, the name of the source, with its section.
            atomic_numbers: One number an atom.
            folder: Where relative paths of the section begin.
            processes: How many label at once, one at least.
            timeout_seconds: After which a label has failed.

        Raises:
            InputError: The source is missing or cannot label these atoms.
        """
        numbers = tuple(int(number) for number in atomic_numbers)
        self.facts: Facts = facts_of(source_from(source, numbers, folder=folder))
        told = {"source": dict(source), "atomic_numbers": list(numbers), "folder": str(folder.absolute())}
        self._first_message = framed(to_bytes(told, {}))
        self._timeout = timeout_seconds
        self._idle: SimpleQueue[_Process] = SimpleQueue()
        self._all = [_Process(self._first_message) for _ in range(processes)]
        for process in self._all:
            self._idle.put(process)
        self._threads = ThreadPoolExecutor(processes)

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """Return the answers in the order of the questions.

        Raises:
            InputError: The source cannot do what it was set up for.
        """
        return list(self._threads.map(self._one, questions))

    def close(self) -> None:
        """End all processes."""
        for process in self._all:
            process.end()
        self._threads.shutdown(wait=True)

    def _one(self, question: Question) -> Answer:
        process = self._idle.get()
        try:
            header, arrays, problem = process.ask(question_to_bytes(question), self._timeout)
        finally:
            self._idle.put(process)
        if problem:
            energies = np.full(len(self.facts.multiplicities), np.nan)
            return Answer(Label(Quality.FAILED, problem, energies))
        if header["kind"] == "refusal":
            raise InputError(header["sentence"])
        return answer_from(header, arrays)


class _Process:
    """One process, started when it is first asked, and again after it has hung or died."""

    def __init__(self, first_message: bytes) -> None:
        self._first_message = first_message
        self._process: subprocess.Popen | None = None
        self._closed = False

    def ask(self, message: bytes, timeout: float) -> tuple[dict, dict, str]:
        """Return header and arrays of the answer, or a sentence why there is none."""
        process = self._running()
        deadline = time.monotonic() + timeout
        try:
            process.stdin.write(framed(message))
            process.stdin.flush()
        except OSError:
            return {}, {}, self._died()
        late = False

        def read(n: int) -> bytes:
            nonlocal late
            ready, _, _ = select.select([process.stdout], [], [], max(0.0, deadline - time.monotonic()))
            late = not ready
            return os.read(process.stdout.fileno(), n) if ready else b""

        text = read_message(read)
        if text is not None:
            return *from_bytes(text), ""
        if late:
            self.stop()
            return {}, {}, f"it took longer than {timeout / 60.0:g} minutes."
        return {}, {}, self._died()

    def stop(self) -> None:
        """Kill the process with all that it has started."""
        process, self._process = self._process, None
        if process is None:
            return
        # It leads a session of its own.
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdin.close()
        process.stdout.close()
        self._errors.close()

    def end(self) -> None:
        """Stop for good; who waits for an answer is told that there is none."""
        self._closed = True
        self.stop()

    def _running(self) -> subprocess.Popen:
        if self._process is None:
            self._errors = tempfile.TemporaryFile()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "nadyn.interfaces.label_process"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env={**os.environ, **dict.fromkeys(_THREADS, "1"), "PYTHONPATH": _import_path()},
                # An interrupt of the run, which it answers itself, is none of a label.
                start_new_session=True,
                bufsize=0,
            )
            self._process.stdin.write(self._first_message)
        return self._process

    def _died(self) -> str:
        process = self._process
        if process is None:
            return "its process was ended."
        code = process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        last = f": {lines[-1][:_LONGEST_REASON]}" if lines else ""
        self.stop()
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return f"its process ended with {how}{last}."


def _import_path() -> str:
    """Return where this very package is imported from, for processes in any folder."""
    here = str(Path(__file__).parents[2])
    return os.pathsep.join(part for part in (here, os.environ.get("PYTHONPATH", "")) if part)
