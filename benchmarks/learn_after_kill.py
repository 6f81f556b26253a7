"""A learning loop that is killed again and again comes to the same end, bit for bit.

    python benchmarks/learn_after_kill.py --folder folder [--kills 20] [--seed 1]

The teacher is the shipped model of ammonia, and everything is small: a loop of two rounds takes two minutes
of one core. It is run once undisturbed, and once with `kill -9` at random moments; then models, data, picks
and records are compared. Times are left out, because they are no result.
"""

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import yaml

from nadyn.data import load_dataset
from nadyn.models.model_file import digest
from nadyn.shipped import path as shipped
from nadyn.trajectory import digest as run_digest

LEARN = {
    "molecule": "ammonia.xyz",
    "source": {"model": {"model": str(shipped("ammonia/ammonia_trajectories.safetensors"))}},
    "dynamics": {"method": "fssh", "dt_fs": 0.5, "time_fs": 20, "decoherence": "none"},
    "sample": {"n": 60},
    "first": {"wigner": 20, "direct": 2, "direct_fs": 8, "direct_every": 2},
    "members": 2,
    "round": {"trajectories": 16, "final_trajectories": 24, "labels": 16},
    "training": {"model": {"hidden": [16, 16]}, "steps": 120, "batch_size": 8, "validation_fraction": 0.2},
    "final": {"model": {"hidden": [24, 24]}, "steps": 200, "validation_fraction": 0.2},
    "budget": {"labels": 150, "minutes": 100000, "final_minutes": 1, "rounds": 2},
}
GEOMETRY = """4

N 0 0 0.1
H 0.94 0 -0.2
H -0.47 0.81 -0.2
H -0.47 -0.81 -0.2
"""


def start(folder: Path) -> subprocess.Popen:
    """Start the loop, or go on with it."""
    command = [
        sys.executable,
        "-m",
        "nadyn",
        "learn",
        str(folder / "learn.yaml"),
        "--output",
        str(folder / "out"),
    ]
    return subprocess.Popen(
        [*command, "--resume", "--quiet"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
    )


def prepared(folder: Path) -> Path:
    """Return a new folder with what the loop is asked."""
    folder.mkdir(parents=True)
    (folder / "ammonia.xyz").write_text(GEOMETRY)
    (folder / "learn.yaml").write_text(yaml.safe_dump(LEARN))
    return folder


def found(folder: Path) -> dict[str, str]:
    """Return a digest of everything that a loop has come to, by file."""
    out, result = folder / "out", {}
    for file in sorted(out.rglob("*")):
        name = str(file.relative_to(out))
        if name.startswith(("labels/", ".run_", "run_")) or not file.is_file():
            continue
        if file.suffix == ".safetensors":
            result[name] = digest(file)
        elif "swarm" in file.name or file.name == "direct.h5":
            result[name] = run_digest(file)
        elif file.name == "dataset.h5":
            group = load_dataset(file).groups[0]
            arrays = [group.positions, group.energies, group.forces, group.interstate_couplings]
            result[name] = hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()
        elif file.name == "picks.json":
            result[name] = hashlib.sha256(file.read_bytes()).hexdigest()
        elif file.name == "round.json":
            content = {key: value for key, value in json.loads(file.read_text()).items() if key != "seconds"}
            result[name] = hashlib.sha256(json.dumps(content).encode()).hexdigest()
    return result


def main() -> None:
    """Run the loop twice and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    quiet = options.folder / "undisturbed"
    began = time.monotonic()
    if not quiet.exists():
        if start(prepared(quiet)).wait() != 0:
            raise SystemExit("the undisturbed loop failed")
    seconds = time.monotonic() - began
    disturbed = prepared(options.folder / f"killed_{options.seed}")
    kills = 0
    while True:
        process = start(disturbed)
        try:
            code = process.wait(
                timeout=None if kills == options.kills else rng.uniform(2.0, max(20.0, seconds / 6))
            )
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1
            continue
        if code != 0:
            raise SystemExit(f"after {kills} kills it ended with exit code {code}")
        break
    first, second = found(quiet), found(disturbed)
    different = sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))
    print(f"{kills} kills, {len(first)} files compared, different: {', '.join(different) or 'none'}")
    sys.exit(bool(different))


if __name__ == "__main__":
    main()
