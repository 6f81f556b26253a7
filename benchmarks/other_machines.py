"""The same runs on another processor, with more threads, with another torch: which bits are the same?

    python benchmarks/other_machines.py [--environment FOLDER …] [--python PROGRAM …] [--output FOLDER]

Each run is made in a process of its own: as it is here; as a machine would make it whose processor has no
AVX2 (variables tell torch, MKL and numpy so, and compiled kernels are turned off); with two threads. With
--environment also with the packages of a folder before those of this Python, such as another torch
(`pip install --target FOLDER --no-deps torch==2.6.0`), with --python by another Python that has what nadyn
needs, as of a virtual environment. Compared with the first: the digest; the largest
differences of positions and of |c|^2 over all frames; the trajectories that have hopped elsewhere, which do
not count in these. Written: other_machines.json.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

OLDER = {
    "ATEN_CPU_CAPABILITY": "default",
    "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
    "NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3",
    "NADYN_FAST_PATH": "0",
}
RUNS = {
    "Tully 1": {
        "model": {"name": "tully", "variant": 1},
        "initial": {"position_au": -4, "momentum_au": 20, "width_au": 0.5, "n": 100, "state": 0},
        **{"method": "fssh", "dt_fs": 0.2, "time_fs": 30},
    },
    "pyrazine": {
        "model": {"name": "pyrazine", "variant": 4},
        "initial": {"sample": "wigner", "n": 50, "temperature_kelvin": 0, "diabatic_state": 1},
        **{"method": "fssh", "dt_fs": 0.25, "time_fs": 20, "decoherence": {"name": "sdm"}},
    },
    "SO2, spin-orbit": {
        "model": {"name": "sulfur_dioxide", "variant": "triplets"},
        "initial": {"sample": "wigner", "n": 10, "temperature_kelvin": 0, "state": 1},
        **{"method": "fssh", "dt_fs": 0.5, "time_fs": 15},
    },
    "ammonia, learned": {
        "model": "ammonia",
        "initial": {"sample": "wigner", "n": 16, "temperature_kelvin": 0, "state": 1},
        **{"method": "fssh", "dt_fs": 0.25, "time_fs": 10},
    },
}
# Makes all runs in a folder and prints the versions.
WORK = """
import json, sys
from pathlib import Path
import numpy, torch
import nadyn
from nadyn import shipped
from nadyn.trajectory import digest
threads, folder, runs = int(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3])
torch.set_num_threads(threads)
digests = {}
for number, (name, run) in enumerate(runs.items()):
    if run["model"] == "ammonia":
        run["model"] = str(shipped.path("ammonia/ammonia.safetensors"))
    path = folder / f"{number}.h5"
    nadyn.run({**run, "output": str(path), "write_every": 4}, progress=False)
    digests[name] = digest(path)
    numpy.savez(folder / f"{number}.npz", **{
        name: numpy.asarray(getattr(nadyn.trajectory.open_run(path), name))
        for name in ("positions", "coefficients", "active_state")
    })
versions = {"python": sys.version.split()[0], "torch": torch.__version__, "numpy": numpy.__version__}
print(json.dumps({**versions, "digests": digests}))
"""


def made(folder: Path, threads: int, changes: dict[str, str], python: str = sys.executable) -> dict:
    """Make all runs in a process with a changed environment; return what it says."""
    folder.mkdir()
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads), **changes}
    command = [python, "-c", WORK, str(threads), str(folder), json.dumps(RUNS)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def compared(first: Path, second: Path) -> dict[str, float]:
    """Return the largest differences of two runs, and how many trajectories have hopped elsewhere."""
    one, other = np.load(first), np.load(second)
    populations = [np.sum(found["coefficients"] ** 2, axis=-1) for found in (one, other)]
    elsewhere = (one["active_state"] != other["active_state"]).any(axis=0)
    same = ~elsewhere
    return {
        "positions": float(np.nanmax(np.abs(one["positions"] - other["positions"])[:, same], initial=0.0)),
        "populations": float(np.nanmax(np.abs(populations[0] - populations[1])[:, same], initial=0.0)),
        "elsewhere": int(elsewhere.sum()),
        "n": len(elsewhere),
    }


def main() -> None:
    """Make all runs in every way, print a table, write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--environment", type=Path, nargs="*", default=[])
    parser.add_argument("--python", nargs="*", default=[])
    parser.add_argument("--output", type=Path, default=Path("other_machines"))
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    ways = {"here": (1, {}), "without AVX2": (1, OLDER), "two threads": (2, {})}
    for folder in options.environment:
        before = os.pathsep.join([str(folder.resolve()), os.environ.get("PYTHONPATH", "")])
        ways[f"packages of {folder.name}"] = (1, {"PYTHONPATH": before})
    root = os.pathsep.join([str(Path(__file__).resolve().parents[1]), os.environ.get("PYTHONPATH", "")])
    for number, python in enumerate(options.python, start=1):
        ways[f"Python {number}"] = (1, {"PYTHONPATH": root}, python)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        for number, (way, made_by) in enumerate(ways.items()):
            said = made(base / str(number), *made_by)
            first = rows[0]["digests"] if rows else said["digests"]
            row = {"way": way, **said, "compared": {}}
            rows.append(row)
            for run, (title, value) in enumerate(said["digests"].items()):
                found = compared(base / "0" / f"{run}.npz", base / str(number) / f"{run}.npz")
                row["compared"][title] = found
                print(
                    f"{way:20s} {said['python']:7s} torch {said['torch']:12s} numpy {said['numpy']:7s} "
                    f"{title:17s} "
                    f"{'the same digest' if value == first[title] else 'another digest':16s} "
                    f"|dR| {found['positions']:.0e}  |dP| {found['populations']:.0e}  "
                    f"{found['elsewhere']} of {found['n']} hop elsewhere",
                    flush=True,
                )
            text = json.dumps(rows, indent=1)
            (options.output / "other_machines.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
