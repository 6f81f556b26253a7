"""One shard of a swarm: run in this process, until its end or until it is told to end."""

import os
import signal
import threading
from pathlib import Path

from nadyn.dynamics.run.loop import run
from nadyn.dynamics.run.result import RunResult
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.electronic.direct.questions import Desk
from nadyn.interfaces.direct_run import desk_of
from nadyn.interfaces.swarm.plan import shard_config
from nadyn.trajectory.one_writer import only_writer
from nadyn.trajectory.swarm_folder import Swarm

# What a program exits with that was told to end and can go on: EX_TEMPFAIL.
TO_BE_CONTINUED = 75
# How long the writer before may take to end.
_PATIENCE_SECONDS = 60.0


def run_shard(
    swarm: Swarm,
    shard: int,
    *,
    progress: bool,
    walltime_minutes: float | None = None,
    label_processes: int | None = None,
) -> RunResult:
    """Run a shard, or go on with it, and return how it went.

    SIGTERM, Ctrl-C and the end of the wall time end it after a step, with a checkpoint.

    Args:
        swarm: The swarm.
        shard: Which one.
        progress: Show a live table.
        walltime_minutes: When to end.
        label_processes: In direct dynamics, how many label at once where the run file does not say it.

    Raises:
        InputError: The run file cannot be used, or another process goes on writing the shard.
        RunError: The disk is full.
        KeyboardInterrupt: It was told to end; nothing is lost.
    """
    config, path = shard_config(swarm, shard), swarm.path(shard)

    def desk(config: RunConfiguration, folder: Path) -> Desk | None:
        return desk_of(config, swarm.beside, processes=label_processes)

    with only_writer(path, patience_seconds=_PATIENCE_SECONDS):
        timer = ends_itself(walltime_minutes)
        try:
            return run(config, sources=desk, resume=path.exists(), progress=progress)
        finally:
            timer.cancel()


def ends_itself(minutes: float | None) -> threading.Timer:
    """Start, if a time is given, and return what sends SIGTERM to this process then."""
    timer = threading.Timer(60.0 * (minutes or 0.0), os.kill, (os.getpid(), signal.SIGTERM))
    timer.daemon = True
    if minutes is not None:
        timer.start()
    return timer


def stop_file(folder: Path, token: str) -> Path:
    """Return the file whose presence tells all shards of one start of a swarm to end."""
    return folder / f".stop.{token}"
