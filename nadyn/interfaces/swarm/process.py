"""A shard in a process of its own: started by a worker, it says how it went and ends with the worker."""

import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from nadyn.checks.errors import InputError, RunError
from nadyn.checks.forecast import peak_memory
from nadyn.electronic.interrupt import termination_interrupts
from nadyn.interfaces.swarm.plan import numbers_of
from nadyn.interfaces.swarm.shard import TO_BE_CONTINUED, run_shard
from nadyn.trajectory.swarm_folder import is_swarm, open_swarm

REFUSED, FAILED = 2, 1
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_LOOK_SECONDS = 0.2
# A process that dies so often in one shard is not killed by chance.
_DEATHS = 5


def shard_in_process(folder: str, shard: int, stop: str) -> dict[str, object]:
    """Run a shard in a process of its own and return how it went; what a worker does.

    Args:
        folder: The folder of the swarm, on a disk that all workers see.
        shard: Which one.
        stop: A file; once it is there, the shard ends with a checkpoint.

    Returns:
        `done`, whether the shard came to its end, and what its process told.

    Raises:
        InputError: The run file cannot be used, or the folder cannot be seen from here.
        RunError: The disk is full, or the process died several times.
    """
    if not is_swarm(Path(folder)):
        raise InputError(
            f"all workers must see the folder of the swarm, but {platform.node()} has no {folder!r} with its "
            "plan. Put it on a disk that all machines share: `--output`."
        )
    for _ in range(_DEATHS):
        if Path(stop).exists():
            return {"done": False}
        code, told, said = _wait_for(folder, shard, Path(stop))
        if code == 0:
            return {"done": True, **told}
        # A process that has just begun cannot write a checkpoint yet, and has nothing for it.
        if code == TO_BE_CONTINUED or (code == -signal.SIGTERM and Path(stop).exists()):
            return {"done": False}
        if code == REFUSED:
            raise InputError(said)
        if code == FAILED:
            raise RunError(said)
    raise RunError(
        f"the process of shard {shard} ended {_DEATHS} times, at last with {_how(code)}: "
        f"{said or 'no word'}. Killed by signal 9 is often a lack of memory: try a smaller --width "
        "in a new folder."
    )


def _how(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def _wait_for(folder: str, shard: int, stop: Path) -> tuple[int, Mapping[str, object], str]:
    here = str(Path(__file__).parents[3])
    path = os.pathsep.join(part for part in (here, os.environ.get("PYTHONPATH", "")) if part)
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "nadyn.interfaces.swarm.process", folder, str(shard)],
            # It stays open: a shard whose input ends has lost its worker.
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=errors,
            env={**os.environ, **dict.fromkeys(_THREADS, "1"), "PYTHONPATH": path},
            start_new_session=True,
        )
        try:
            while process.poll() is None:
                time.sleep(_LOOK_SECONDS)
                if stop.exists():
                    process.send_signal(signal.SIGTERM)
                    process.wait()
        finally:
            process.stdin.close()
            process.wait()
        output.seek(0)
        errors.seek(0)
        told, said = output.read().decode(), errors.read().decode(errors="replace").strip()[-2000:]
    return process.returncode, json.loads(told) if process.returncode == 0 else {}, said


def main(arguments: list[str]) -> int:
    """Run the shard that the arguments name and return the exit code."""
    folder, shard = arguments
    threading.Thread(target=_end_with_input, daemon=True).start()
    try:
        with termination_interrupts():
            # Beside it run others, as many as there are processors: each labels by itself.
            result = run_shard(open_swarm(Path(folder)), int(shard), progress=False, label_processes=1)
    except InputError as error:
        print(error, file=sys.stderr)
        return REFUSED
    except (RunError, OSError) as error:
        print(error, file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return TO_BE_CONTINUED
    print(json.dumps({**numbers_of(result), "memory": peak_memory()}))
    return 0


def _end_with_input() -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    # The worker is gone. What was done is kept by a checkpoint, and the lock makes the next one wait for it.
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
