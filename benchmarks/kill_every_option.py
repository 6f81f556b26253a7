"""kill -9, three times, of a run of every method and option and of trainings: the same digest as undisturbed?

    python benchmarks/kill_every_option.py --output FOLDER [--parts run train] [--only TEXT] [--histories 1]

Each case of kill_cases.py is done once undisturbed. Then it is begun in an empty folder, killed with
SIGKILL, resumed, killed, resumed, killed, and resumed to its end: at moments drawn evenly from the first
third or half of the processor time that the undisturbed one took, one in eight from before it had written
anything. Where it comes to its end before the third kill, all of that begins again, and does not count.
Processes are forked from this one, which has loaded everything, so that they live in their own work and
not in imports; what a kill leaves are the files alone. Written is a line a history to FOLDER/kills.jsonl,
with the step at each kill; what has a line there is not done again. Linux only. Exit code 1 if any digest
differs.
"""

import argparse
import importlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from kill_cases import RUNS, TRAININGS, Run, Training, not_covered

import nadyn
from nadyn.checks.errors import InputError
from nadyn.models.model_file import digest as digest_of_model
from nadyn.training.checkpoint import read_progress
from nadyn.training.committee import train_committee
from nadyn.training.output import checkpoint_path
from nadyn.training.train import train
from nadyn.trajectory import digest as digest_of_run
from nadyn.trajectory import open_run

KILLS = 3
MOST_ATTEMPTS = 40


@dataclass(frozen=True)
class Job:
    """Something that is killed.

    Attributes:
        work: Does it in a folder, or goes on with it.
        prepare: Writes what it reads.
        digest: Of its result in a folder.
        progress: How far it has come, as far as its files say.
        file: What it writes first and again and again.
    """

    file: str
    work: Callable[[Path, bool], object]
    prepare: Callable[[Path], None]
    digest: Callable[[Path], str]
    progress: Callable[[Path], str]


def job_of_run(case: Run) -> Job:
    """Return a run as a job."""

    def work(folder: Path, resume: bool) -> None:
        model = None if case.model is None else case.model()
        nadyn.run(case.configuration, model=model, resume=resume, progress=False)

    def progress(folder: Path) -> str:
        if not (folder / "run.h5").exists():
            return "no file"
        try:
            return f"step {open_run(folder / 'run.h5').step}"
        except InputError:
            return "unreadable"

    return Job("run.h5", work, case.prepare, lambda folder: digest_of_run(folder / "run.h5"), progress)


def job_of_training(case: Training) -> Job:
    """Return a training as a job."""

    def work(folder: Path, resume: bool) -> None:
        data, output = case.data(), folder / "model.safetensors"
        if case.members is None:
            train(data, output, case.configuration, resume=resume)
        else:
            train_committee(data, output, case.configuration, n_members=case.members, resume=resume)

    def progress(folder: Path) -> str:
        path = checkpoint_path(folder / "model.safetensors")
        if (folder / "model.safetensors").exists():
            return "complete"
        if not path.exists():
            return "no checkpoint"
        try:
            return f"step {read_progress(path)['progress']['step']}"
        except (KeyError, InputError):
            return "a checkpoint"

    return Job(
        checkpoint_path(Path("model.safetensors")).name,
        work,
        lambda folder: None,
        lambda folder: digest_of_model(folder / "model.safetensors"),
        progress,
    )


def begin(job: Job, folder: Path, *, resume: bool) -> int:
    """Return the number of a new process that does the work."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        log = os.open(folder / "log.txt", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.chdir(folder)
        job.work(folder, resume)
        (folder / "modules.txt").write_text("\n".join(sys.modules))
        code = 0
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    os._exit(code)


def processor_seconds(process: int) -> float:
    """Return what a process has computed so far."""
    return int(Path(f"/proc/{process}/schedstat").read_text().split()[0]) * 1e-9


def written(path: Path) -> tuple[int, int]:
    """Return what changes whenever something is written to a file."""
    return (path.stat().st_mtime_ns, path.stat().st_size) if path.exists() else (0, 0)


def watched(process: int, path: Path, seconds: float, *, of_life: bool) -> tuple[int | None, float]:
    """Kill a process when it has computed so long; return its exit status, None if it was killed, and after
    how many seconds it first wrote.

    Args:
        process: Its number.
        path: What it writes.
        seconds: How long it may compute.
        of_life: Whether that is counted from when it first writes.
    """
    before, life = written(path), None
    while True:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            return status, life or 0.0
        used = processor_seconds(process)
        if life is None and written(path) != before:
            life = used
        if (life is not None or not of_life) and used >= seconds + (life if of_life else 0.0):
            os.kill(process, signal.SIGKILL)
            _, status = os.waitpid(process, 0)
            return None if os.WIFSIGNALED(status) else status, life or 0.0
        time.sleep(0.02)


def said_of(folder: Path, question: Callable[[Path], str]) -> str:
    """Return the answer to a question about the files of a folder, asked by a process of its own: what this
    one has open is open in all that it forks."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, question(folder).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    return answer


def done(job: Job, folder: Path, *, resume: bool) -> tuple[float, float]:
    """Do the work to its end; return the processor time until it first wrote, and from there on."""
    process, began = begin(job, folder, resume=resume), os.times().children_user + os.times().children_system
    status, life = watched(process, folder / job.file, float("inf"), of_life=False)
    if status:
        raise SystemExit(f"it failed:\n{(folder / 'log.txt').read_text(encoding='utf-8')}")
    return life, os.times().children_user + os.times().children_system - began - life


def load_what_it_loaded(folder: Path) -> bool:
    """Import what a process had to import; return whether that was anything."""
    new = [name for name in (folder / "modules.txt").read_text().split() if name not in sys.modules]
    for name in new:
        with suppress(ImportError):
            importlib.import_module(name)
    return bool(new)


def undisturbed(job: Job, folder: Path) -> tuple[str, str, float, float]:
    """Return the digest, what is said of its progress at the end, and the times of `done`, where nothing had
    to be imported."""
    empty(job, folder)
    times = done(job, folder, resume=False)
    if load_what_it_loaded(folder):
        empty(job, folder)
        times = done(job, folder, resume=False)
    return said_of(folder, job.digest), said_of(folder, job.progress), *times


def empty(job: Job, folder: Path) -> None:
    """Make a folder as it is before anything."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    job.prepare(folder)


def history(job: Job, folder: Path, end: str, life: float, seconds: float, draw: random.Random) -> list[str]:
    """Begin, kill three times, and come to the end; return how far it was at each kill.

    Args:
        job: What is killed.
        folder: Where.
        end: What is said of its progress at the end, where a kill comes too late to count.
        life: Processor time before something is written; one kill in eight is within it.
        seconds: Processor time from there to the end; the others are within its first
            third, or half of it where first of all a file is read.
        draw: Random numbers.
    """
    for _ in range(MOST_ATTEMPTS):
        empty(job, folder)
        kills: list[str] = []
        while len(kills) < KILLS:
            process = begin(job, folder, resume=bool(kills))
            of_life = draw.random() > 1 / 8
            limit = draw.uniform(0.0, seconds / (2 if kills else 3) if of_life else life)
            status, _ = watched(process, folder / job.file, limit, of_life=of_life)
            if status:
                raise SystemExit(f"it failed:\n{(folder / 'log.txt').read_text(encoding='utf-8')}")
            if status is not None:
                break
            kills.append(said_of(folder, job.progress))
            if kills[-1] == end:
                break
        else:
            done(job, folder, resume=True)
            return kills
    raise SystemExit(f"it was too quick to be killed {KILLS} times in {MOST_ATTEMPTS} attempts")


def main() -> None:
    """Kill and resume every case, print and write a line for each history."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--parts", nargs="+", choices=("run", "train"), default=("run", "train"))
    parser.add_argument("--only", nargs="+", default=[""], help="cases with any of this in their names")
    parser.add_argument("--histories", type=int, default=1, help="of each case")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no other case after these")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if missing := not_covered():
        raise SystemExit(f"no case has {', '.join(missing)}")
    options.output.mkdir(parents=True, exist_ok=True)
    results = options.output / "kills.jsonl"
    known = [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    jobs = {("run", name): job_of_run(case) for name, case in RUNS.items()}
    jobs |= {("train", name): job_of_training(case) for name, case in TRAININGS.items()}
    started = time.monotonic()
    for (part, name), job in jobs.items():
        have = sum((row["part"], row["name"]) == (part, name) for row in known)
        wanted = (
            part in options.parts and any(one in name for one in options.only) and have < options.histories
        )
        if not wanted or time.monotonic() - started > 60 * options.minutes:
            continue
        with tempfile.TemporaryDirectory() as folder:
            base = Path(folder)
            expected, *times = undisturbed(job, base / "undisturbed")
            for number in range(have, options.histories):
                draw = random.Random(zlib.crc32(f"{part} {name} {number}".encode()))
                kills = history(job, base / "killed", *times, draw)
                same = said_of(base / "killed", job.digest) == expected
                row = {"part": part, "name": name, "history": number, "kills": kills, "same": same}
                known.append(row)
                with results.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({**row, "seconds": round(times[-1], 2), "digest": expected}) + "\n")
                print(
                    f"{part:5s} {name:34s} {', '.join(kills):40s} {'the same' if same else 'DIFFERENT'}",
                    flush=True,
                )
    for part in ("run", "train"):
        rows = [row for row in known if row["part"] == part]
        same, cases = sum(row["same"] for row in rows), len({row["name"] for row in rows})
        print(
            f"{part}: {same} of {len(rows)} histories of {cases} cases have the digest, {KILLS} kills in each"
        )
    raise SystemExit(0 if all(row["same"] for row in known) else 1)


if __name__ == "__main__":
    main()
