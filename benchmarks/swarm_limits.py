"""What of a swarm is serial, and how many workers one scheduler and one `nadyn swarm` can feed.

    python benchmarks/swarm_limits.py [--real 4] [--shards 100 1000] [--workers 2 16] [--output FOLDER]

First real shards (100 trajectories of pyrazine over 20 fs) on one worker and on two: the processor time of
what computes, and of everything else, which is the scheduler and `nadyn swarm`, in one process here. It does
not depend on what else the machine does; the time by the clock is printed beside it. Then shards that take no
time, because their file is there already and is only put in place: what is left is what every shard costs the
client and the scheduler, and the looks at its file. How long a real one takes, divided by that, is the number
of workers at which a swarm no longer becomes faster. Written: swarm_limits.json.
"""

import argparse
import json
import os
import resource
import tempfile
import time
from pathlib import Path

import yaml

from nadyn.interfaces.swarm import dask_workers
from nadyn.interfaces.swarm.plan import make_folder, plan_swarm
from nadyn.interfaces.swarm.shard import run_shard
from nadyn.trajectory.swarm_folder import Swarm, open_swarm

RUN = {
    "model": {"name": "pyrazine", "variant": 4},
    "initial": {"sample": "wigner", "diabatic_state": 1},
    **{"method": "fssh", "dt_fs": 0.5, "time_fs": 20, "output": "run.h5"},
}
TOLD = {"done": True, "n_finished": 0, "n_trajectories": 0, "n_hops": 0, "memory": 0}


def begun(base: Path, name: str, *, n: int, width: int) -> Swarm:
    """Return a swarm whose folder is made."""
    (base / "run.yaml").write_text(yaml.safe_dump(RUN), encoding="utf-8")
    swarm = plan_swarm(base / "run.yaml", n=n, width=width, folder=base / name)
    make_folder(swarm)
    return swarm


def took(swarm: Swarm, workers: int) -> dict[str, float]:
    """Run a swarm and return processor times, here and of the processes of shards, and the clock's [s]."""
    before = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    began = time.monotonic()
    dask_workers.run_on_workers(swarm, scheduler=None, workers=workers, walltime_minutes=None, progress=False)
    clock = time.monotonic() - began
    after = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    here, shards = (
        two.ru_utime + two.ru_stime - one.ru_utime - one.ru_stime
        for one, two in zip(before, after, strict=True)
    )
    return {"here": here, "shards": shards, "clock": clock}


def put_in_place(folder: str, shard: int, stop: str) -> dict[str, object]:
    """Do what a worker does, in no time."""
    os.link(Path(folder).with_name("ready.h5"), open_swarm(Path(folder)).path(shard))
    return TOLD


def main() -> None:
    """Measure, print lines, write all as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shards", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--workers", type=int, nargs="+", default=[2, 16])
    parser.add_argument("--real", type=int, default=4, help="how many real ones; none with 0")
    parser.add_argument("--output", type=Path, default=Path("swarm_limits"))
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    rows = []

    def told(kind: str, swarm: Swarm, workers: int) -> None:
        row = {"kind": kind, "shards": swarm.n_shards, "workers": workers, **took(swarm, workers)}
        assert len(swarm.complete()) == swarm.n_shards
        rows.append(row)
        print(
            f"{kind:5s} {swarm.n_shards:5d} shards, {workers:3d} workers: {row['here']:.2f} s here "
            f"({1000 * row['here'] / swarm.n_shards:.1f} ms a shard), {row['shards']:.1f} s in shards, "
            f"{row['clock']:.1f} s by the clock",
            flush=True,
        )
        text = json.dumps(rows, indent=1) + "\n"
        (options.output / "swarm_limits.json").write_text(text, encoding="utf-8")

    with tempfile.TemporaryDirectory(dir=options.output) as name:
        base = Path(name).resolve()
        for workers in (1, 2) if options.real else ():
            told("real", begun(base, f"real_{workers}", n=100 * options.real, width=100), workers)
        ready = begun(base, "ready", n=10, width=10)
        run_shard(ready, 0, progress=False)
        os.link(ready.path(0), base / "ready.h5")
        dask_workers.shard_in_process = put_in_place
        for n_shards in options.shards:
            for workers in options.workers:
                swarm = begun(base, f"empty_{n_shards}_{workers}", n=n_shards * 10, width=10)
                told("empty", swarm, workers)


if __name__ == "__main__":
    main()
