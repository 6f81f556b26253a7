"""Label sources on the workers of a dask scheduler: one label a task, one process a thread of a worker."""

import threading
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from nadyn.checks.errors import InputError, RunError
from nadyn.electronic.labels import Known, Label
from nadyn.interfaces.sources import source_from
from nadyn.interfaces.swarm.dask_workers import connected, in_a_line
from nadyn.interfaces.worker_pool import WorkerPool, failed_label

if TYPE_CHECKING:
    from distributed import Future

_LOOK_SECONDS = 1.0
_WORKERS_SECONDS = 60.0


@dataclass(frozen=True)
class _Asked:
    """Who asks, what a worker builds the source from, and how long a label may take."""

    name: str
    configuration: Mapping[str, object]
    atomic_numbers: tuple[int, ...]
    folder: str
    time_limit_seconds: float | None


@dataclass
class _Held:
    """The process of a thread of a worker; who uses it has the lock."""

    asked: _Asked
    pool: WorkerPool
    lock: threading.Lock


class ScheduledPool:
    """What `WorkerPool` is, on the workers of a dask scheduler.

    Each thread of a worker holds a process with a source, which is built once. A label whose worker is lost
    is computed by another one; after several losses it has failed.
    """

    def __init__(
        self,
        configuration: Mapping[str, object],
        atomic_numbers: Sequence[int],
        *,
        scheduler: str,
        time_limit_seconds: float | None = None,
        folder: Path | None = None,
    ) -> None:
        """Check the configuration here, and find the scheduler and its workers.

        Args:
            configuration: As `source_from` takes it.
            atomic_numbers: One number an atom.
            scheduler: Its address.
            time_limit_seconds: Time by the clock after which a label has failed.
            folder: Where relative paths of the source begin, on every worker; the working folder if None.

        Raises:
            InputError: The configuration cannot be used, dask is not installed, or no scheduler or no worker
                answers.
        """
        self.source = source_from(configuration, atomic_numbers, folder=folder)
        try:
            import distributed  # noqa: F401
        except ImportError as error:
            raise InputError(
                "dask must be installed to label on the workers of a scheduler, but is not. Install it: pip "
                "install 'nadyn[swarm]'."
            ) from error
        self._client = connected(scheduler)
        try:
            self._client.wait_for_workers(1, timeout=_WORKERS_SECONDS)
        except TimeoutError as error:
            self._client.close()
            raise InputError(
                f"the scheduler {scheduler!r} must have workers that label, but has none. Start some: dask "
                f"worker {scheduler}."
            ) from error
        #: How many labels are computed at a time.
        self.at_once = sum(self._client.nthreads().values())
        self._asked = _Asked(
            uuid.uuid4().hex,
            dict(configuration),
            tuple(int(number) for number in atomic_numbers),
            str((folder or Path()).absolute()),
            time_limit_seconds,
        )
        self._tasks: dict[Future, int] = {}

    @property
    def has_room(self) -> bool:
        return len(self._tasks) < self.at_once

    def submit(self, key: int, positions: Float[np.ndarray, "atom 3"], near: Sequence[Known] = ()) -> None:
        """Give a geometry to a worker; its label comes out of `wait` with the key."""
        task = self._client.submit(
            label_on_worker, self._asked, positions, tuple(near), key=f"nadyn-label-{uuid.uuid4().hex}"
        )
        self._tasks[task] = key

    def wait(self) -> list[tuple[int, Label | None]]:
        """Return what was labelled, waiting for one label if there is none.

        Raises:
            InputError: The source refuses: it would be as wrong for every other geometry.
            RunError: The scheduler is gone, or a worker cannot label at all.
        """
        from distributed import wait

        while self._tasks and not any(task.done() for task in self._tasks):
            if self._client.status not in ("running", "connecting"):
                raise _lost()
            try:
                wait(list(self._tasks), timeout=_LOOK_SECONDS, return_when="FIRST_COMPLETED")
            except TimeoutError:
                continue
        return [(self._tasks.pop(task), self._label(task)) for task in list(self._tasks) if task.done()]

    def close(self) -> None:
        """Have the workers end their processes, and leave the scheduler."""
        if self._client.status == "running":
            self._client.cancel(list(self._tasks))
            self._client.run(end_processes, self._asked.name, on_error="ignore")
        self._tasks.clear()
        self._client.close()

    def _label(self, task: "Future") -> Label | None:
        from distributed import CancelledError, KilledWorker

        try:
            return task.result()
        except KilledWorker as error:
            # What kills every worker that it meets is the geometry's fault.
            reason = f"its workers were lost, the last one at {error.last_worker.address}."
            return failed_label(self.source.multiplicities, reason)
        except (InputError, RunError):
            raise
        except (CancelledError, Exception) as error:
            if task.status != "error":
                raise _lost() from error
            raise RunError(
                f"workers must have the packages of nadyn and of the source, but one failed: "
                f"{in_a_line(error)}. Start them with the Python that has them."
            ) from error


# In a worker: what its threads hold, and who has left.
_held: dict[int, _Held] = {}
_left: set[str] = set()


def label_on_worker(
    asked: _Asked, positions: Float[np.ndarray, "atom 3"], near: tuple[Known, ...]
) -> Label | None:
    """Label a geometry in the process of this thread; what a worker does.

    Args:
        asked: The source.
        positions: The geometry [bohr].
        near: Labels to begin from.

    Returns:
        The label; None where the source has been asked and has no answer yet, or nobody waits for it.
    """
    held = _of_this_thread(asked)
    with held.lock:
        held.pool.submit(0, positions, near)
        while not (done := held.pool.wait(_LOOK_SECONDS)):
            if asked.name in _left:
                held.pool.close()
                return None
    return done[0][1]


def end_processes(name: str) -> None:
    """End the processes that a worker has begun for somebody who has left; a busy one sees to itself."""
    _left.add(name)
    for held in list(_held.values()):
        if held.asked.name == name and held.lock.acquire(blocking=False):
            held.pool.close()
            held.lock.release()


def _of_this_thread(asked: _Asked) -> _Held:
    thread = threading.get_ident()
    before = _held.get(thread)
    if before is not None and before.asked == asked:
        return before
    if before is not None:
        before.pool.close()
    pool = WorkerPool(
        asked.configuration,
        asked.atomic_numbers,
        processes=1,
        time_limit_seconds=asked.time_limit_seconds,
        folder=Path(asked.folder),
    )
    _held[thread] = _Held(asked, pool, threading.Lock())
    return _held[thread]


def _lost() -> RunError:
    return RunError(
        "the scheduler must answer until all is labelled, but is gone. Labels that are there are kept: start "
        "a scheduler and give the same command again."
    )
