"""kill -9 at random moments of `nadyn run` and `nadyn train`: does --resume end with the undisturbed digest?

    python benchmarks/resume_after_kill.py [--model model.safetensors] [--data data.h5] [--repeats 5]
        [--parts run train] [--output folder]

run    32 trajectories of surface hopping for 40 fs from the excited state.
train  3 epochs on 120 frames, with a checkpoint every few steps.

Each is done once undisturbed, and `nadyn info --digest` of its result is kept. Then it is started again in an
empty folder, killed with SIGKILL at a moment drawn evenly between the appearance of its file on the disk and
its expected end, resumed with --resume, and the digests are compared; all that as often as asked for. Where
the kill comes too late, another moment is drawn. The defaults are the shipped model and data. Written:
resume_after_kill.json. Exit code 1 if any digest differs. A few minutes on one core.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from nadyn import shipped
from nadyn.checks.errors import InputError
from nadyn.data import Dataset, load_dataset, write_dataset
from nadyn.trajectory import open_run

N_FRAMES = 120


@dataclass(frozen=True)
class Job:
    """A command that is killed.

    Attributes:
        arguments: After `nadyn`; --resume is added.
        sign_of_life: File whose appearance says that there is something to resume.
        result: File whose digest is compared.
    """

    arguments: tuple[str, ...]
    sign_of_life: str
    result: str


def write_jobs(folder: Path, model: Path, data: Path) -> dict[str, Job]:
    """Write run file, training file and the small dataset; return both jobs."""
    run = {
        "model": str(model.resolve()),
        "initial": {"sample": "wigner", "n": 32, "temperature_kelvin": 0, "state": 1},
        "method": "fssh",
        "dt_fs": 0.25,
        "time_fs": 40,
        "checkpoint_every": 8,
        "seed": 1,
        "output": "run.h5",
    }
    training = {"epochs": 3, "batch_size": 4, "checkpoint_every": 7, "seed": 1}
    for name, content in (("run", run), ("train", training)):
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    group = load_dataset(data).groups[0]
    chosen = np.linspace(0, group.n_frames - 1, N_FRAMES).astype(int)
    write_dataset(folder / "data.h5", Dataset((group.select(chosen),)))
    base = str(folder.resolve())
    return {
        # Named without a path: `output` begins at the folder of the run file, and each job has its own copy.
        "run": Job(("run", "run.yaml", "--quiet"), "run.h5", "run.h5"),
        "train": Job(
            (
                "train",
                f"{base}/data.h5",
                "--config",
                f"{base}/train.yaml",
                "--output",
                "model.safetensors",
                "--quiet",
            ),
            "model.safetensors.checkpoint",
            "model.safetensors",
        ),
    }


def start(job: Job, folder: Path, *options: str) -> subprocess.Popen:
    """Start nadyn in a folder, in a process group of its own; the run file is copied there."""
    shutil.copy(folder.parent / "run.yaml", folder)
    with (folder / "log.txt").open("a", encoding="utf-8") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "nadyn", *job.arguments, *options],
            cwd=folder,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def wait_for_life(process: subprocess.Popen, path: Path) -> None:
    """Return when the file is there or the process has ended."""
    while process.poll() is None and not path.exists():
        time.sleep(0.005)


def succeed(process: subprocess.Popen, folder: Path) -> None:
    """Wait for the end of a process that must not fail."""
    if process.wait() != 0:
        raise SystemExit(f"nadyn failed:\n{(folder / 'log.txt').read_text(encoding='utf-8')}")


def digest(path: Path) -> str:
    """Return what `nadyn info --digest` prints."""
    command = [sys.executable, "-m", "nadyn", "info", str(path), "--digest"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def progress_at_kill(job: Job, folder: Path) -> str:
    """Return how far the killed process had come, as far as its files say."""
    path = folder / job.sign_of_life
    if job.arguments[0] != "run":
        return "checkpoint" if path.exists() else "no checkpoint"
    try:
        return f"step {open_run(path).step}"
    except InputError:
        return "unreadable"


def undisturbed(job: Job, folder: Path) -> tuple[str, float]:
    """Return the digest, and the seconds from the sign of life to the end."""
    folder.mkdir()
    process = start(job, folder)
    wait_for_life(process, folder / job.sign_of_life)
    began = time.monotonic()
    succeed(process, folder)
    return digest(folder / job.result), time.monotonic() - began


def killed(job: Job, folder: Path, span: float, draw: random.Random) -> tuple[float, str]:
    """Start and kill; return after how many seconds of life, and the progress by then."""
    while True:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        process = start(job, folder)
        wait_for_life(process, folder / job.sign_of_life)
        moment = draw.uniform(0, span)
        time.sleep(moment)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            # The command may have finished its work and been killed on the way out.
            if job.result == job.sign_of_life or not (folder / job.result).exists():
                return moment, progress_at_kill(job, folder)
        elif process.returncode != 0:
            succeed(process, folder)


def main() -> None:
    """Kill and resume both commands, print a table, write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, help="model file; the shipped hexafluorobutene without one")
    parser.add_argument("--data", type=Path, help="dataset; the shipped hexafluorobutene without one")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--parts", nargs="+", choices=("run", "train"), default=("run", "train"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, default=Path("resume_after_kill"))
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    draw = random.Random(options.seed)
    model = options.model or shipped.path("hexafluorobutene/hexafluorobutene.safetensors")
    data = options.data or shipped.path("hexafluorobutene/hexafluorobutene.h5")
    rows = []
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        jobs = write_jobs(base, model, data)
        print("command  killed after  had come to       resumed in  digest")
        for part in options.parts:
            job = jobs[part]
            expected, span = undisturbed(job, base / f"{part}_undisturbed")
            print(
                f"{part:7s}  {'never':>12s}  {'the end':16s}  {'':10s}  {expected[:16]}  ({span:.1f} s)",
                flush=True,
            )
            for repeat in range(options.repeats):
                folder = base / f"{part}_{repeat}"
                moment, progress = killed(job, folder, span, draw)
                began = time.monotonic()
                succeed(start(job, folder, "--resume"), folder)
                seconds = time.monotonic() - began
                found = digest(folder / job.result)
                same = found == expected
                print(
                    f"{part:7s}  {moment:10.2f} s  {progress:16s}  {seconds:8.1f} s  {found[:16]}  "
                    f"{'the same' if same else 'DIFFERENT'}",
                    flush=True,
                )
                rows.append(
                    {
                        "command": part,
                        "killed_after_seconds": moment,
                        "progress": progress,
                        "resumed_seconds": seconds,
                        "digest": found,
                        "expected": expected,
                        "same": same,
                    }
                )
    target = options.output / "resume_after_kill.json"
    target.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    different = sum(not row["same"] for row in rows)
    print(
        f"{len(rows) - different} of {len(rows)} ended with the digest of the undisturbed one. "
        f"Written: {target}"
    )
    raise SystemExit(1 if different else 0)


if __name__ == "__main__":
    main()
