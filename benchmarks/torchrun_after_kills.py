"""A training of two processes by torchrun that is killed again and again has the same model, bit for bit.

    python benchmarks/torchrun_after_kills.py [--folder FOLDER] [--kills 10] [--steps 300] [--seed 1]

Ammonia, two processes that meet through gloo. Once it is left alone; once the first process, the other or
torchrun itself is killed with -9 at random moments, and the same command with `--resume` is given again. Only
processes that this script has started are killed.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import yaml

from nadyn.models.model_file import digest
from nadyn.shipped import path as shipped

SETTINGS = {
    "model": {"basis": "1x0e + 1x1o", "hidden": [24, 24]},
    "batch_size": 8,
    "validation_fraction": 0.1,
    "checkpoint_every": 10,
}


def started(folder: Path, *more: str) -> subprocess.Popen:
    """Start torchrun with two processes in a folder."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    train = ["-m", "nadyn", "train", "data.h5", "--output", "m.safetensors", "--config", "train.yaml"]
    with (folder / "log").open("ab") as log:
        return subprocess.Popen([*torchrun, *train, *more], cwd=folder, stdout=log, stderr=log)


def wait_for_checkpoints(process: subprocess.Popen, checkpoint: Path, n: int) -> None:
    """Return when a process has written so many checkpoints, or has ended."""
    seen = [checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0]
    while process.poll() is None and len(seen) <= n:
        now = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        if now != seen[-1]:
            seen.append(now)
        time.sleep(0.02)


def kill_one(chance: random.Random, torchrun: subprocess.Popen) -> str:
    """Kill torchrun or one of its processes with -9, and wait until all have ended; return which."""
    ranks = [one for one in psutil.Process(torchrun.pid).children() if "nadyn" in one.cmdline()]
    ranks.sort(key=lambda one: one.environ().get("RANK", ""))
    victim = chance.choice(["torchrun", *range(len(ranks))])
    if victim == "torchrun":
        torchrun.kill()
        # Who has lost torchrun goes on alone; a queue kills all of a job.
        for one in ranks:
            one.kill()
    else:
        ranks[victim].kill()
    torchrun.wait(timeout=300)
    psutil.wait_procs(ranks, timeout=300)
    return "torchrun" if victim == "torchrun" else f"process {victim}"


def main() -> int:
    """Print what was killed and both digests as JSON; exit code 0 where they are the same."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    chance, killed, digests = random.Random(given.seed), [], {}
    with tempfile.TemporaryDirectory() as temporary:
        for name in ("left alone", "killed"):
            folder = (given.folder or Path(temporary)) / name.replace(" ", "_")
            folder.mkdir(parents=True)
            (folder / "data.h5").symlink_to(Path(shipped("ammonia/ammonia_near_intersection.h5")).absolute())
            (folder / "train.yaml").write_text(yaml.safe_dump(SETTINGS | {"steps": given.steps}))
            while True:
                begun = (folder / "m.safetensors.checkpoint").exists()
                process = started(folder, *(["--resume"] if begun else []))
                if name == "killed" and len(killed) < given.kills:
                    # In the work and not in the start, however busy the machine is.
                    wait_for_checkpoints(process, folder / "m.safetensors.checkpoint", chance.randint(1, 3))
                    time.sleep(chance.uniform(0.0, 1.0))
                else:
                    process.wait()
                if process.poll() is None:
                    killed.append(kill_one(chance, process))
                elif process.returncode == 0:
                    break
                else:
                    sys.exit((folder / "log").read_text()[-2000:])
            digests[name] = digest(folder / "m.safetensors")
    print(json.dumps({"kills": killed, **digests}, indent=1))
    return 0 if digests["killed"] == digests["left alone"] else 1


if __name__ == "__main__":
    os.environ |= {"OMP_NUM_THREADS": "1"}
    sys.exit(main())
