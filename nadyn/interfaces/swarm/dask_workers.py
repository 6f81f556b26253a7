"""The shards of a swarm on the workers of a dask scheduler: one task a shard, one process a task."""

import os
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nadyn.checks.counts import counted
from nadyn.checks.errors import InputError, RunError
from nadyn.checks.output import write_new
from nadyn.electronic.interrupt import DeferredInterrupt
from nadyn.interfaces.swarm.process import shard_in_process
from nadyn.interfaces.swarm.shard import stop_file
from nadyn.interfaces.swarm.table import Progress, SwarmTable
from nadyn.trajectory.swarm_folder import Swarm

if TYPE_CHECKING:
    from distributed import Client, Future

_LOOK_SECONDS = 0.5
_CONNECT_SECONDS = 20.0
_SILENT_SECONDS = 600.0
# A shard whose worker was lost so often is not unlucky.
_LOSSES = 20


@dataclass
class _Tasks:
    """What was handed out: the shard of each task, and how often the worker of a shard was lost; and for how
    long the scheduler has given no result that it has announced."""

    shards: dict["Future", int] = field(default_factory=dict)
    losses: dict[int, int] = field(default_factory=dict)
    silent_seconds: float = 0.0


def run_on_workers(
    swarm: Swarm,
    *,
    scheduler: str | None,
    workers: int | None,
    walltime_minutes: float | None,
    progress: bool,
) -> None:
    """Run all shards that are not complete on the workers of a scheduler.

    Args:
        swarm: The swarm, whose folder all workers see.
        scheduler: Its address; without one, processes of this machine.
        workers: How many of those; as many as processors without a number.
        walltime_minutes: When to end, with checkpoints.
        progress: Show a live table.

    Raises:
        InputError: dask is not installed, or a shard was refused.
        RunError: A shard failed, or the scheduler was lost; complete shards and checkpoints are kept.
        KeyboardInterrupt: SIGTERM, Ctrl-C or the end of the wall time; all shards have written checkpoints.
    """
    left = [shard for shard in range(swarm.n_shards) if not swarm.is_complete(shard)]
    if not left:
        return
    end = float("inf") if walltime_minutes is None else time.monotonic() + 60.0 * walltime_minutes
    stop = stop_file(swarm.folder, uuid.uuid4().hex)
    with _client(scheduler, workers) as client, DeferredInterrupt() as interrupt:
        table = SwarmTable(swarm, n_done=swarm.n_shards - len(left), shown=progress)
        tasks = _Tasks({_hand_out(client, swarm, shard, str(stop)): shard for shard in left})
        try:
            with table:
                while tasks.shards:
                    _look(client, tasks, swarm, str(stop), table)
                    if interrupt.requested or time.monotonic() > end:
                        _end(client, tasks, stop)
                        raise KeyboardInterrupt(
                            f"interrupted with {table.n_done} of {counted(swarm.n_shards, 'shard')} "
                            "complete; nothing is lost. Go on with the same command."
                        )
        except (InputError, RunError):
            _end(client, tasks, stop)
            raise
        finally:
            stop.unlink(missing_ok=True)


def _hand_out(client: "Client", swarm: Swarm, shard: int, stop: str) -> "Future":
    # The key is new each time: a scheduler answers a key that it knows with what it knows.
    key = f"nadyn-shard-{shard}-{uuid.uuid4().hex}"
    return client.submit(
        shard_in_process, str(swarm.folder), shard, stop, key=key, pure=False, priority=-shard
    )


def _look(client: "Client", tasks: _Tasks, swarm: Swarm, stop: str, table: SwarmTable) -> None:
    """Take what is done, hand out again what was lost, and draw the table."""
    from distributed import CancelledError, KilledWorker

    time.sleep(_LOOK_SECONDS)
    if client.status not in ("running", "connecting"):
        raise _lost()
    for future in [one for one in tasks.shards if one.done()]:
        shard = tasks.shards.pop(future)
        try:
            told = future.result(timeout=_CONNECT_SECONDS)
        except KilledWorker:
            told = {"done": False}
        except (InputError, RunError):
            raise
        except TimeoutError as error:
            # A scheduler on a busy machine answers late; that alone is no loss.
            tasks.silent_seconds += _CONNECT_SECONDS
            if tasks.silent_seconds > _SILENT_SECONDS:
                raise _lost() from error
            tasks.shards[future] = shard
            return
        except (CancelledError, Exception) as error:
            if future.status != "error":
                raise _lost() from error
            # What dask says of a worker that cannot even begin, in whatever words.
            raise RunError(
                f"workers must have the packages of `nadyn swarm`, but shard {shard} was refused by one: "
                f"{in_a_line(error)}. Start them with this Python: {sys.executable} -m dask worker."
            ) from error
        tasks.silent_seconds = 0.0
        if told["done"]:
            table.add(told)
            continue
        # Its worker was told to end, or died: another one goes on from the checkpoint.
        tasks.losses[shard] = tasks.losses.get(shard, 0) + 1
        if tasks.losses[shard] > _LOSSES:
            raise RunError(
                f"shard {shard} lost its worker {_LOSSES} times. Look into the output of the workers; "
                "complete shards are kept."
            )
        tasks.shards[_hand_out(client, swarm, shard, stop)] = shard
    table.update(_progress(client, tasks))


def _progress(client: "Client", tasks: _Tasks) -> list[Progress]:
    """Return which worker runs which shards; empty where the scheduler does not answer in time."""
    shard_of = {future.key: shard for future, shard in tasks.shards.items()}
    try:
        processing = client.processing()
        names = {
            address: worker["name"]
            for address, worker in client.scheduler_info(n_workers=-1)["workers"].items()
        }
    except (OSError, TimeoutError, TypeError, KeyError):
        return []
    return [
        Progress(str(names.get(address, address)), tuple(shard_of[key] for key in keys if key in shard_of))
        for address, keys in processing.items()
    ]


def _end(client: "Client", tasks: _Tasks, stop: os.PathLike) -> None:
    """Tell all shards to end with a checkpoint, and wait for them."""
    try:
        write_new(stop, "")
    except RunError:
        # A full disk takes no file: the processes end with their workers instead.
        return
    waiting = [future for future in tasks.shards if not future.done()]
    client.cancel([future for future in waiting if not _runs(client, future)])
    end = time.monotonic() + 60.0
    while time.monotonic() < end and any(not future.done() for future in waiting):
        time.sleep(_LOOK_SECONDS)


def _runs(client: "Client", future: "Future") -> bool:
    return any(future.key in keys for keys in client.processing().values())


def in_a_line(error: BaseException) -> str:
    """Return what an error goes back to, without its many lines."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}, {' '.join(str(error).split())[:200].rstrip('.')}"


def _lost() -> RunError:
    return RunError(
        "the scheduler must answer until the swarm is complete, but is gone. Complete shards and checkpoints "
        "are kept: start a scheduler and give the same command again."
    )


@contextmanager
def _client(scheduler: str | None, workers: int | None) -> Iterator["Client"]:
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise InputError(
            "dask must be installed to run a swarm on several processes, but is not. Install it: pip install "
            "'nadyn[swarm]'; or run shard by shard without it: --shard 0."
        ) from error
    if scheduler is not None:
        with connected(scheduler) as client:
            yield client
        return
    n = workers or _processors()
    # A task waits for a process of its own, so that threads are enough here.
    with (
        dask.config.set({"distributed.worker.daemon": False}),
        LocalCluster(
            n_workers=n, threads_per_worker=1, processes=False, dashboard_address=None, memory_limit=0
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


def connected(scheduler: str) -> "Client":
    """Return a client of a scheduler.

    Args:
        scheduler: Its address.

    Raises:
        InputError: Nobody answers there.
    """
    from distributed import Client

    try:
        return Client(scheduler, timeout=_CONNECT_SECONDS)
    except (OSError, ValueError, TimeoutError) as error:
        raise InputError(
            f"`--scheduler` must be the address of a dask scheduler that runs, but {scheduler!r} does "
            "not answer. Start one with `dask scheduler`, which says its address."
        ) from error


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
