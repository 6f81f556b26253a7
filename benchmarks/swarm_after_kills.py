"""A swarm whose workers, scheduler and client are killed with -9 at random: its digest is that of one run.

    python benchmarks/swarm_after_kills.py [FOLDER] [--n 300] [--width 60] [--kills 6] [--seed 1]

One `nadyn run` of all trajectories gives the digest. Then a dask scheduler, two workers and `nadyn swarm` are
started; every few seconds one of them, or the process of a shard, drawn at random, is killed. What is dead is
started again, as a person or a queue would. Only processes that this script has started are killed.
"""

import argparse
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUN = """\
model: {name: pyrazine, variant: 4}
initial: {sample: wigner, n: %d, diabatic_state: 1}
method: fssh
dt_fs: 0.5
time_fs: %g
output: run.h5
"""
PATIENCE_SECONDS = 900.0


class Part:
    """A program that is started again after it was killed."""

    def __init__(self, name: str, arguments: list[str], folder: Path) -> None:
        self.name, self.arguments, self.folder, self.process = name, arguments, folder, None

    def start(self) -> None:
        """Start it, its output into a file."""
        with (self.folder / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(self.arguments, cwd=self.folder, stdout=log, stderr=log)

    def is_dead(self) -> bool:
        """Return whether it has ended."""
        return self.process is None or self.process.poll() is not None

    def kill(self) -> None:
        """Kill it with -9."""
        if not self.is_dead():
            self.process.kill()
        if self.process is not None:
            self.process.wait()


def shards_below(part: Part) -> list[int]:
    """Return the processes of shards that a worker has started."""
    if part.is_dead():
        return []
    children = Path(f"/proc/{part.process.pid}/task")
    found = []
    for task in children.glob("*/children"):
        found += [int(pid) for pid in task.read_text().split()]
    return found


def digest(what: str, folder: Path) -> str:
    """Return the digest over trajectories of a run or a swarm."""
    asked = [sys.executable, "-m", "nadyn", "info", what, "--digest", "--by-trajectory"]
    return subprocess.run(asked, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def killed_swarm(
    folder: Path, *, n: int, width: int, kills: int, seed: int, time_fs: float
) -> dict[str, object]:
    """Run a swarm among kills and return what was killed, and both digests."""
    chance, killed = random.Random(seed), []
    (folder / "run.yaml").write_text(RUN % (n, time_fs), encoding="utf-8")
    nadyn = [sys.executable, "-m", "nadyn"]
    subprocess.run([*nadyn, "run", "run.yaml", "--quiet"], cwd=folder, check=True)
    address = f"tcp://127.0.0.1:{free_port()}"
    dask = [sys.executable, "-m", "dask"]
    scheduler = Part(
        "scheduler",
        [*dask, "scheduler", "--host", "127.0.0.1", "--port", address.rpartition(":")[2], "--no-dashboard"],
        folder,
    )
    worker = [*dask, "worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard"]
    workers = [Part(f"worker{k}", [*worker, "--death-timeout", "20"], folder) for k in range(2)]
    start = ["swarm", "run.yaml", "--n", str(n), "--width", str(width), "--scheduler", address]
    client = Part("client", [*nadyn, *start], folder)
    parts, began, n_starts = [scheduler, *workers, client], time.monotonic(), 0
    next_kill = began + chance.uniform(8, 20)
    try:
        while time.monotonic() - began < PATIENCE_SECONDS:
            if client.process is not None and client.process.poll() == 0:
                break
            for part in parts:
                if part.is_dead():
                    part.start()
                    n_starts += part is client
            if len(killed) < kills and time.monotonic() > next_kill:
                victim = chance.choice([*parts, None])
                if victim is None:
                    below = [pid for part in workers for pid in shards_below(part)]
                    if not below:
                        continue
                    os.kill(chance.choice(below), signal.SIGKILL)
                else:
                    victim.kill()
                killed.append("shard" if victim is None else victim.name)
                next_kill = time.monotonic() + chance.uniform(4, 15)
            time.sleep(0.2)
        code = client.process.poll()
    finally:
        for part in parts:
            part.kill()
    found = {"killed": killed, "starts_of_the_client": n_starts, "exit_code": code}
    found["seconds"] = round(time.monotonic() - began, 1)
    found["one_run"] = digest("run.h5", folder)
    found["swarm"] = digest("run_swarm", folder) if code == 0 else None
    return found


def main() -> int:
    """Print what happened as JSON; exit code 0 where both digests are the same."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--n", type=int, default=300)
    parser.add_argument("--width", type=int, default=60)
    parser.add_argument("--kills", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--time-fs", type=float, default=100.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        found = killed_swarm(
            folder, n=given.n, width=given.width, kills=given.kills, seed=given.seed, time_fs=given.time_fs
        )
    print(json.dumps(found, indent=1))
    return 0 if found["swarm"] == found["one_run"] else 1


if __name__ == "__main__":
    sys.exit(main())
