"""A swarm on two machines whose wire is cut and slow: the same digest as one run?

    python benchmarks/swarm_over_a_wire.py [FOLDER] [--n 120] [--width 20] [--time-fs 60] [--cut-seconds 60]

The machines are network namespaces of Linux that share a disk, joined by a wire (veth); root and iproute2
are needed. On the first are the scheduler, a worker and `nadyn swarm`, on the second a worker. When a shard
of the second machine has written a checkpoint, the wire is cut for so long, and again once the worker has
come back; after that it is slow (4 kB/s, packets wait up to 4 s) to the end. A worker that ends itself is
started again, as a queue would. One `nadyn run` of all trajectories gives the digest. Printed as JSON; exit
code 0 where both are the same. Only namespaces and processes that this script has made are removed.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from swarm_after_kills import RUN, Part, digest

from nadyn.checks.errors import InputError
from nadyn.trajectory import open_run
from nadyn.trajectory.swarm_folder import open_swarm

HERE, THERE = f"nadyn-a{os.getpid()}", f"nadyn-b{os.getpid()}"
FIRST, SECOND, PORT = "10.231.7.1", "10.231.7.2", 8786
PATIENCE_SECONDS = 1800.0


def asked(*arguments: str) -> None:
    """Call ip or tc, and refuse that it fails."""
    subprocess.run(arguments, check=True, capture_output=True, text=True)


def join() -> None:
    """Make both machines and the wire between them."""
    for name in (HERE, THERE):
        asked("ip", "netns", "add", name)
        asked("ip", "-n", name, "link", "set", "lo", "up")
    asked("ip", "-n", HERE, "link", "add", "wire", "type", "veth", "peer", "name", "wire", "netns", THERE)
    for name, address in ((HERE, FIRST), (THERE, SECOND)):
        asked("ip", "-n", name, "address", "add", f"{address}/24", "dev", "wire")
        asked("ip", "-n", name, "link", "set", "wire", "up")


def part_of(place: str) -> list[int]:
    """Return the processes of a machine."""
    told = subprocess.run(["ip", "netns", "pids", place], capture_output=True, text=True).stdout
    return [int(number) for number in told.split()]


def shards_there(folder: Path) -> list[int]:
    """Return the shards that processes of the second machine run."""
    found = []
    for process in part_of(THERE):
        try:
            words = Path(f"/proc/{process}/cmdline").read_bytes().decode().split("\0")
        except FileNotFoundError:
            continue
        if "nadyn.interfaces.swarm.process" in words and str(folder / "run_swarm") in words:
            found.append(int(words[-2]))
    return found


def steps(folder: Path, shards: list[int]) -> list[int]:
    """Return how far shards are, where their files say it."""
    found = []
    for shard in shards:
        try:
            found.append(int(open_run(open_swarm(folder / "run_swarm").path(shard), verified=False).step))
        except InputError:
            continue
    return found


def cut(seconds: float) -> None:
    """Take the wire away for some time."""
    asked("ip", "-n", HERE, "link", "set", "wire", "down")
    time.sleep(seconds)
    asked("ip", "-n", HERE, "link", "set", "wire", "up")


def swarm_over_a_wire(
    folder: Path, *, n: int, width: int, time_fs: float, cut_seconds: float
) -> dict[str, object]:
    """Run a swarm on two machines and return what happened, and both digests."""
    (folder / "run.yaml").write_text(RUN % (n, time_fs), encoding="utf-8")
    nadyn, dask = [sys.executable, "-m", "nadyn"], [sys.executable, "-m", "dask"]
    subprocess.run([*nadyn, "run", "run.yaml", "--quiet"], cwd=folder, check=True)
    here, there = (["ip", "netns", "exec", name] for name in (HERE, THERE))
    address = f"tcp://{FIRST}:{PORT}"
    worker = [*dask, "worker", address, "--nthreads", "1", "--no-dashboard", "--death-timeout", "120"]
    options = ["--host", FIRST, "--port", str(PORT), "--no-dashboard"]
    start = ["swarm", "run.yaml", "--n", str(n), "--width", str(width), "--scheduler", address]
    scheduler = Part("scheduler", [*here, *dask, "scheduler", *options], folder)
    workers = [
        Part("worker_here", [*here, *worker], folder),
        Part("worker_there", [*there, *worker], folder),
    ]
    client = Part("client", [*here, *nadyn, *start], folder)
    began, events, starts, slow = time.monotonic(), [], {"client": 0, "worker_there": 0}, False
    try:
        while time.monotonic() - began < PATIENCE_SECONDS:
            if client.process is not None and client.process.poll() == 0:
                break
            for part in (scheduler, *workers, client):
                if part.is_dead():
                    part.start()
                    if part.name in starts:
                        starts[part.name] += 1
            on_their_way = steps(folder, shards_there(folder))
            if any(on_their_way) and len(events) < 2:
                cut(cut_seconds)
                events.append({"cut_at_step": on_their_way, "after": round(time.monotonic() - began)})
            elif any(on_their_way) and not slow:
                asked(
                    *("tc", "-n", HERE, "qdisc", "add", "dev", "wire", "root", "tbf"),
                    *("rate", "32kbit", "burst", "4kb", "latency", "4s"),
                )
                slow = True
                events.append({"slow_at_step": on_their_way, "after": round(time.monotonic() - began)})
            time.sleep(0.2)
        code = client.process.poll()
    finally:
        for part in (client, *workers, scheduler):
            part.kill()
    found = {"events": events, "starts": starts, "exit_code": code}
    found["seconds"] = round(time.monotonic() - began)
    found["one_run"] = digest("run.h5", folder)
    found["swarm"] = digest("run_swarm", folder) if code == 0 else None
    return found


def main() -> int:
    """Print what happened as JSON; exit code 0 where both digests are the same."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--n", type=int, default=120)
    parser.add_argument("--width", type=int, default=20)
    parser.add_argument("--time-fs", type=float, default=60.0)
    parser.add_argument("--cut-seconds", type=float, default=60.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (given.folder or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        try:
            join()
            found = swarm_over_a_wire(
                folder, n=given.n, width=given.width, time_fs=given.time_fs, cut_seconds=given.cut_seconds
            )
        finally:
            for name in (HERE, THERE):
                # What the nanny of a worker has left goes with its machine.
                for process in part_of(name):
                    os.kill(process, 9)
                subprocess.run(["ip", "netns", "del", name], capture_output=True)
    print(json.dumps(found, indent=1))
    return 0 if found["swarm"] == found["one_run"] else 1


if __name__ == "__main__":
    sys.exit(main())
