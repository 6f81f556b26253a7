"""Mutated models, datasets, trajectory files and configurations: is any accepted with another content?

    python benchmarks/mutated_files.py [--models 200] [--datasets 200] [--runs 200] [--configurations 200]
        [--seed 1] [--minutes 10]

Files that nadyn writes are changed at random: bits, bytes, runs of bytes, pieces moved, doubled and cut,
endings; in configurations also words and numbers. Each is opened as the commands open it, in this process.
Told for each kind are how many were refused in a sentence, how many opened with the same content (the
change was in what nobody reads), and what must be none: another content, another exception, over 10 s,
memory that grows by over 500 MB. A configuration is text, and another word is another content: of it only
exceptions, time and memory count. The files that failed are kept in `mutated/`. Written:
mutated_files.json. Exit code 1 if any. A file that HDF5 does not come back from within a minute ends
everything with a traceback.
"""

import argparse
import faulthandler
import json
import random
import resource
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

import nadyn
from nadyn import shipped
from nadyn.checks.configuration import read_configuration
from nadyn.checks.errors import InputError, RunError
from nadyn.data import Dataset, group_from_arrays, write_dataset
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.models.model_file import digest as digest_of_model
from nadyn.trajectory import load_trajectories

SLOWEST_SECONDS, MOST_MEGABYTES = 10.0, 500.0
RUN_FILE = """model: {name: tully, variant: 1}
initial: {position_au: -4, momentum_au: 20, n: 5, state: 0}
method: fssh
dt_fs: 0.1
time_fs: 3
write_every: 5
seed: 1
output: run.h5
"""
WORDS = [
    b"nan",
    b".inf",
    b"-1",
    b"1e309",
    b"[]",
    b"{}",
    b"null",
    b"true",
    b"&a",
    b"*a",
    b"!!python/name:os",
    b"\xff",
    b"0x",
    b": ",
]


def mutated(content: bytes, draw: random.Random, *, words: bool) -> bytes:
    """Return content with one to three changes; never the same."""
    found = bytearray(content)
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        at = draw.randrange(max(len(found), 1))
        length = draw.choice((1, 2, 4, 8, 64, 4096))
        kind = draw.choice(
            ("bit", "bit", "byte", "fill", "swap", "double", "drop", "cut", "add", "word" if words else "bit")
        )
        if not found:
            break
        if kind == "bit":
            found[at] ^= 1 << draw.randrange(8)
        elif kind == "byte":
            found[at] = draw.randrange(256)
        elif kind == "fill":
            found[at : at + length] = bytes([draw.choice((0, 0, 255, 127))]) * len(found[at : at + length])
        elif kind == "swap":
            other = draw.randrange(len(found))
            one, two = found[at : at + length], found[other : other + length]
            if len(one) == len(two):
                found[at : at + length], found[other : other + length] = two, one
        elif kind == "double":
            found[at:at] = found[at : at + length]
        elif kind == "drop":
            del found[at : at + length]
        elif kind == "cut":
            del found[at:]
        elif kind == "add":
            found += draw.randbytes(length)
        else:
            found[at : at + draw.randrange(4)] = draw.choice(WORDS)
    return bytes(found)


def write_originals(folder: Path) -> dict[str, Path]:
    """Write one file of each kind, small and with everything in it."""
    random_numbers = np.random.default_rng(1)
    positions = np.array([[0.0, 0, 0], [1.9, 0, 0], [0, 1.8, 0.1]]) + random_numbers.normal(
        size=(6, 3, 3), scale=0.1
    )
    group = group_from_arrays(
        "water",
        atomic_numbers=[8, 1, 1],
        positions=positions,
        energies=np.sort(random_numbers.normal(size=(6, 2)), axis=1),
        interstate_couplings=random_numbers.normal(size=(6, 1, 3, 3)),
        dipoles=random_numbers.normal(size=(6, 2, 2, 3)),
        masses=np.array([29156.9, 1837.2, 3671.5]),
        weight=np.linspace(1, 2, 6),
        tag=["a", "b", "c", "d", "e", "f"],
        charge=0,
        multiplicities=[1, 1],
        theory="none",
        note="made up",
    )
    (folder / "run.yaml").write_text(RUN_FILE, encoding="utf-8")
    write_dataset(folder / "data.h5", Dataset((group,)))
    config = read_configuration(folder / "run.yaml", RunConfiguration)
    nadyn.run({**config.model_dump(exclude_unset=True), "output": str(folder / "run.h5")}, progress=False)
    (folder / "model.safetensors").write_bytes(shipped.path("ammonia/ammonia.safetensors").read_bytes())
    names = ("model.safetensors", "data.h5", "run.h5", "run.yaml")
    return dict(
        zip(("models", "datasets", "runs", "configurations"), (folder / name for name in names), strict=True)
    )


def content_of_dataset(path: Path) -> str:
    """Return what a dataset holds, as a text that two datasets share only when they are equal."""
    dataset = nadyn.load_dataset(path)
    groups = [
        {
            name: value.tobytes().hex() if isinstance(value, np.ndarray) else str(value)
            for name, value in vars(group).items()
        }
        for group in dataset.groups
    ]
    return json.dumps(groups, sort_keys=True, default=str)


def content_of_run(path: Path) -> str:
    """Return what a run holds, read as people and as analysis read it."""
    found = vars(load_trajectories(path))
    hops = {name: column.tobytes().hex() for name, column in found.pop("hops").items()}
    values = {
        name: value.tobytes().hex() if isinstance(value, np.ndarray) else str(value)
        for name, value in found.items()
    }
    return json.dumps({**values, "hops": hops}, sort_keys=True)


CONTENT: dict[str, Callable[[Path], str]] = {
    "models": lambda path: (digest_of_model(path), nadyn.load_model(path))[0],
    "datasets": content_of_dataset,
    "runs": content_of_run,
    "configurations": lambda path: read_configuration(path, RunConfiguration).model_dump_json(),
}


def outcome(kind: str, path: Path, expected: str) -> str:
    """Open a file and return what became of it in a word."""
    began = time.monotonic()
    try:
        same = CONTENT[kind](path) == expected
    except (InputError, RunError):
        said = "refused"
    except Exception as error:
        return f"FAULT {type(error).__name__}: {str(error)[:200]}"
    else:
        said = (
            "same content"
            if same
            else ("another content" if kind == "configurations" else "FAULT another content")
        )
    faulthandler.cancel_dump_traceback_later()
    return said if time.monotonic() - began < SLOWEST_SECONDS else "FAULT too slow"


def main() -> None:
    """Mutate and open, print a table, write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for kind in CONTENT:
        parser.add_argument(f"--{kind}", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--minutes", type=float, default=10.0, help="no kind takes longer than its share of this"
    )
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    counts: dict[str, dict[str, int]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        originals = write_originals(folder)
        for number, (kind, path) in enumerate(originals.items()):
            end = time.monotonic() + 60.0 * options.minutes / len(CONTENT)
            expected, content = CONTENT[kind](path), path.read_bytes()
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            draw, found = random.Random(1000 * options.seed + number), Counter()
            changed = folder / f"mutated{path.suffix}"
            for _ in range(getattr(options, kind)):
                other = mutated(content, draw, words=kind == "configurations")
                if other == content:
                    continue
                changed.write_bytes(other)
                faulthandler.dump_traceback_later(60.0, exit=True)
                said = outcome(kind, changed, expected)
                found[said.partition(":")[0]] += 1
                if said.startswith("FAULT"):
                    kept = Path("mutated") / f"{kind}_{options.seed}_{sum(found.values())}{path.suffix}"
                    kept.parent.mkdir(exist_ok=True)
                    kept.write_bytes(other)
                    print(f"{kept}: {said}", flush=True)
                if time.monotonic() > end:
                    break
            grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
            if grown > MOST_MEGABYTES:
                found["FAULT memory"] += 1
            counts[kind] = dict(found)
            print(f"{kind}: {sum(found.values())} mutated, {dict(found)}, memory +{grown:.0f} MB", flush=True)
    Path("mutated_files.json").write_text(json.dumps(counts, indent=1) + "\n", encoding="utf-8")
    raise SystemExit(any(said.startswith("FAULT") for found in counts.values() for said in found))


if __name__ == "__main__":
    main()
