"""Memory and processor time of `nadyn analyse DIR/` from a thousand to a million trajectories.

    python benchmarks/analyse_a_million.py [--shards 1 10 100 1000] [--width 1000] [--output FOLDER]

One shard of ammonia on its shipped potentials is run, surface hopping of so many trajectories over 12 fs, and
linked as every shard of larger and larger swarms: files as large as those of real shards, on one disk. Each
swarm is analysed by a process of its own, with products, coordinates and lifetimes. Printed are its largest
memory and its processor time. The truth is known: populations are those of the one shard, whatever the number
of links, and their intervals narrow towards them; that is checked. Written:
analyse_a_million.json. Exit code 1 where a number is wrong or the memory is over 2 GB.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from nadyn import shipped
from nadyn.interfaces.swarm.plan import make_folder
from nadyn.interfaces.swarm.shard import run_shard
from nadyn.trajectory.swarm_folder import Swarm

MOST_BYTES = 2e9
RUN = {
    "model": str(shipped.path("ammonia/ammonia.safetensors")),
    "initial": {"sample": "wigner", "temperature_kelvin": 0, "state": 1},
    **{"method": "fssh", "dt_fs": 0.5, "time_fs": 12, "write_every": 4, "seed": 1},
}
# Analyses a folder and prints what it took.
WORK = """
import json, resource, sys
from nadyn.cli.main import main
try:
    main(["analyse", sys.argv[1], "--json", sys.argv[2]])
except SystemExit as end:
    assert not end.code, end.code
used = resource.getrusage(resource.RUSAGE_SELF)
# Not of getrusage, which counts what the process was before it became this program. Linux only.
lines = dict(line.split(":", 1) for line in open("/proc/self/status"))
peak = 1024 * int(lines["VmHWM"].split()[0])
took = {"memory": peak, "seconds": used.ru_utime + used.ru_stime}
print(json.dumps(took), file=sys.stderr)
"""


def linked(first: Path, folder: Path, *, width: int, n_shards: int) -> Swarm:
    """Return a swarm whose shards are all one file."""
    swarm = Swarm(folder, width * n_shards, width, RUN)
    make_folder(swarm)
    for path in swarm.paths:
        os.link(first, path)
    return swarm


def analysed(swarm: Swarm, numbers: Path) -> dict[str, object]:
    """Return what the analysis of a swarm found, its memory and its processor time."""
    done = subprocess.run(
        [sys.executable, "-c", WORK, str(swarm.folder), str(numbers)], capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    took = json.loads(done.stderr.splitlines()[-1])
    return {**took, "numbers": json.loads(numbers.read_text(encoding="utf-8"))}


def wrong(first: dict, found: dict, *, n_shards: int) -> list[str]:
    """Return which numbers of many links are not those of the one file."""
    bad = []
    mean = np.array(first["populations"])
    if not np.allclose(mean, found["populations"], rtol=0, atol=1e-12):
        bad.append("populations")
    one, many = (
        [np.array(numbers[f"populations_{end}"]) for end in ("low", "high")] for numbers in (first, found)
    )
    # They narrow down to what stopped trajectories leave open, which is never less.
    inside = (many[0] >= one[0]) & (many[1] <= one[1]) & (many[0] <= mean) & (mean <= many[1])
    if not inside.all() or (n_shards > 1 and not (many[1] - many[0] < one[1] - one[0]).all()):
        bad.append("intervals")
    for name in ("n_trajectories", "n_finished", "frustrated_hops"):
        if found[name] != n_shards * first[name]:
            bad.append(name)
    return bad


def main() -> None:
    """Run one shard, link and analyse, print a table, write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shards", type=int, nargs="+", default=[1, 10, 100, 1000])
    parser.add_argument("--width", type=int, default=1000)
    parser.add_argument("--output", type=Path, default=Path("analyse_a_million"))
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    rows, failed, first = [], False, None
    with tempfile.TemporaryDirectory(dir=options.output) as name:
        base = Path(name)
        alone = Swarm(base / "one_swarm", options.width, options.width, RUN)
        make_folder(alone)
        run_shard(alone, 0, progress=False)
        for n_shards in sorted({1, *options.shards}):
            swarm = linked(alone.path(0), base / f"{n_shards}_swarm", width=options.width, n_shards=n_shards)
            found = analysed(swarm, base / f"{n_shards}.json")
            first = first or found["numbers"]
            bad = wrong(first, found["numbers"], n_shards=n_shards)
            failed |= bool(bad) or found["memory"] > MOST_BYTES
            rows.append({"trajectories": swarm.n, "memory": found["memory"], "seconds": found["seconds"]})
            print(
                f"{swarm.n:9d} trajectories of {alone.path(0).stat().st_size / swarm.width:.0f} bytes: "
                f"{found['memory'] / 1e6:.0f} MB, {found['seconds']:.1f} s of processor time, "
                f"{'WRONG: ' + ', '.join(bad) if bad else 'numbers right'}",
                flush=True,
            )
            text = json.dumps(rows, indent=1) + "\n"
            (options.output / "analyse_a_million.json").write_text(text, encoding="utf-8")
    raise SystemExit(failed)


if __name__ == "__main__":
    main()
