"""Does a process that works for long keep more and more memory, open files or threads?

    python benchmarks/soak.py [--minutes 60] [--parts run read refuse report train] [--rest 0.5]

Again and again, in one process: 40 trajectories of surface hopping are run, made longer with `resume`,
read, and analysed with a report; a run with another seed, of a molecule on one state with a thermostat; a
small training, its model loaded and asked; a damaged file and a wrong run file are refused. Between two
rounds it rests for so many times as long as a round took. The memory (resident set), open files and threads
are looked at after each. Of the second half of the rounds, when caches are full: the slope of the memory by
least squares, with its standard error. Written: soak.json. Exit code 1 where the memory grows by more than
50 kB a round and three standard errors, or files or threads have become more. Linux only.
"""

import argparse
import contextlib
import gc
import io
import json
import os
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import torch

import nadyn
from nadyn.checks.errors import InputError
from nadyn.cli.main import main as command

sys.path[:0] = [str(Path(__file__).parents[1] / "tests" / folder) for folder in ("", "training")]
from teacher import configuration, dataset, geometries, train

RUN = {
    "model": {"name": "tully", "variant": 1},
    "initial": {"position_au": -3, "momentum_au": 20, "width_au": 0.5, "n": 40, "state": 0},
    **{"method": "fssh", "dt_fs": 0.25, "time_fs": 8, "checkpoint_every": 8},
}
HEATED = {
    "model": {"name": "twisted"},
    "initial": {"sample": "wigner", "n": 10, "temperature_kelvin": 300, "state": 0},
    **{"method": "nvt", "thermostat": {"name": "nose_hoover", "temperature_kelvin": 300}},
    **{"dt_fs": 0.5, "time_fs": 10},
}


def runs(folder: Path, number: int) -> None:
    """Run, make longer, and run something else; files of the round before are replaced."""
    run = {**RUN, "output": str(folder / "run.h5"), "seed": number}
    nadyn.run(run, overwrite=True, progress=False)
    nadyn.run({**run, "time_fs": 12}, resume=True, progress=False)
    nadyn.run({**HEATED, "output": str(folder / "heated.h5"), "seed": number}, overwrite=True, progress=False)


def reads(folder: Path, number: int) -> None:
    """Read what was run, and analyse it."""
    nadyn.load_trajectories(folder / "run.h5")
    quiet(["analyse", str(folder / "run.h5"), "--json", str(folder / "run.json")], expect=0)


def refuses(folder: Path, number: int) -> None:
    """Refuse a damaged file and a wrong run file."""
    damaged = folder / "damaged.h5"
    damaged.write_bytes((folder / "run.h5").read_bytes()[:-200])
    quiet(["info", str(damaged)], expect=2)
    with contextlib.suppress(InputError):
        nadyn.run({**RUN, "method": "fsssh", "output": str(folder / "no.h5")}, progress=False)


def reports(folder: Path, number: int) -> None:
    """Write a report."""
    quiet(["report", str(folder / "run.h5"), "--output", str(folder / "run.html"), "--overwrite"], expect=0)


def trains(folder: Path, number: int) -> None:
    """Train a small model, load it, and ask it."""
    model = folder / "model.safetensors"
    train(dataset(), model, configuration(epochs=1), overwrite=True)
    nadyn.surfaces(nadyn.load_model(model), geometries(3))


PARTS = {"run": runs, "read": reads, "refuse": refuses, "report": reports, "train": trains}


def quiet(arguments: list[str], *, expect: int) -> None:
    """Call a command in this process, and refuse an exit code that is not expected."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as said:
        try:
            command(arguments)
        except SystemExit as left:
            code = left.code or 0
    if code != expect:
        raise SystemExit(f"nadyn {' '.join(arguments)} ended with {code}: {said.getvalue()}")


def held() -> dict[str, float]:
    """Return the memory [MB], open files and threads of this process."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "memory": pages * os.sysconf("SC_PAGE_SIZE") / 1e6,
        "files": len(os.listdir("/proc/self/fd")),
        "threads": len(os.listdir("/proc/self/task")),
    }


def slope(values: list[float]) -> tuple[float, float]:
    """Return the slope of a straight line through values, and its standard error."""
    x, y = np.arange(len(values)) - 0.5 * (len(values) - 1), np.array(values)
    rise = float((x * (y - y.mean())).sum() / (x * x).sum())
    left = y - y.mean() - rise * x
    return rise, float(np.sqrt((left * left).sum() / max(len(x) - 2, 1) / (x * x).sum()))


def main() -> None:
    """Work until the time is over, print a line a round, write all as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--rest", type=float, default=0.5)
    parser.add_argument("--output", type=Path, default=Path("soak"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    options.output.mkdir(parents=True, exist_ok=True)
    started, rounds = time.monotonic(), []
    with tempfile.TemporaryDirectory() as folder:
        while time.monotonic() - started < 60 * options.minutes:
            began = time.monotonic()
            for part in PARTS:
                if part in options.parts:
                    PARTS[part](Path(folder), len(rounds) + 1)
            rounds.append({"minutes": (time.monotonic() - started) / 60, **held()})
            (options.output / "soak.json").write_text(json.dumps(rounds, indent=1), encoding="utf-8")
            row = rounds[-1]
            print(
                f"{row['minutes']:6.1f} min  {row['memory']:8.1f} MB  {row['files']:3d} files  "
                f"{row['threads']:3d} threads",
                flush=True,
            )
            time.sleep(options.rest * (time.monotonic() - began))
    half = rounds[len(rounds) // 2 :]
    rise, error = slope([row["memory"] for row in half])
    more = [key for key in ("files", "threads") if max(row[key] for row in half) > half[0][key]]
    print(
        f"{len(rounds)} rounds. In the second half {1000 * rise:.0f} ± {1000 * error:.0f} kB a round, "
        f"files {[row['files'] for row in half[:: len(half) - 1]]}, "
        f"threads {[row['threads'] for row in half[:: len(half) - 1]]}"
    )
    raise SystemExit(1 if more or rise > max(0.05, 3 * error) else 0)


if __name__ == "__main__":
    main()
