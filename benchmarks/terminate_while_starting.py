"""Is SIGTERM heard at every moment of the start of `nadyn run`?

    python benchmarks/terminate_while_starting.py [--starts 200] [--seconds 2.6] [--output FOLDER]

A run of many hours is started again and again, and told to end by SIGTERM: each time a little later, evenly
over its first seconds of processor time, in which it imports, reads, and makes its first steps. It must end
by itself: by the signal, as long as it has not taken it over, and then with exit code 130 and a sentence.
Told are those that went on for six more seconds, those with a traceback, and those with another exit code.
Written: terminate_while_starting.json. Exit code 1 if any. Linux only.
"""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

PATIENCE_SECONDS = 6.0
RUN = """\
model: {name: tully, variant: 1}
initial: {position_au: -4, momentum_au: 20, n: 5, state: 0}
method: fssh
dt_fs: 0.5
time_fs: 100000
output: run.h5
"""


def processor_seconds(process: subprocess.Popen) -> float:
    """Return what a process has computed so far; more than anything once it has ended."""
    if process.poll() is not None:
        return float("inf")
    try:
        return int(Path(f"/proc/{process.pid}/schedstat").read_text().split()[0]) * 1e-9
    except (FileNotFoundError, ProcessLookupError):
        return float("inf")


def told_to_end(folder: Path, seconds: float) -> tuple[str, str]:
    """Start a run, tell it to end when it has computed so long, and return how it ended and what it said."""
    (folder / "run.yaml").write_text(RUN, encoding="utf-8")
    command = [sys.executable, "-m", "nadyn", "run", "run.yaml", "--quiet"]
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    while processor_seconds(process) < seconds:
        time.sleep(0.002)
    process.send_signal(signal.SIGTERM)
    begun = processor_seconds(process)
    while begun < float("inf") and processor_seconds(process) < begun + PATIENCE_SECONDS:
        time.sleep(0.02)
    unheard = process.poll() is None
    process.kill()
    code, said = process.wait(), (folder / "log.txt").read_text(encoding="utf-8", errors="replace")
    if unheard:
        return "FAULT: it went on", said
    if "Traceback" in said:
        return "FAULT: a traceback", said
    if code == -signal.SIGTERM and not said:
        return "ended by the signal", said
    return ("exit code 130" if code == 130 else f"FAULT: exit code {code}"), said


def main() -> None:
    """Start and end, print a table, write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--starts", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=2.6, help="of processor time, at the latest")
    parser.add_argument("--output", type=Path, default=Path("terminate_while_starting"))
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    found = Counter()
    for number in range(options.starts):
        seconds = options.seconds * (number + 1) / options.starts
        with tempfile.TemporaryDirectory() as folder:
            how, said = told_to_end(Path(folder), seconds)
        found[how] += 1
        if how.startswith("FAULT"):
            print(f"after {seconds:.3f} s {how}\n{said}", flush=True)
    (options.output / "terminate_while_starting.json").write_text(json.dumps(found, indent=1) + "\n")
    print(dict(found))
    raise SystemExit(any(how.startswith("FAULT") for how in found))


if __name__ == "__main__":
    main()
