"""Would the tests notice? Single errors are put into the source, and the tests that walk over them are run.

    python benchmarks/mutants.py collect --map MAP.json            once: which test walks over which line
    python benchmarks/mutants.py run --map MAP.json [--seed 1]     goes on where it was stopped
    python benchmarks/mutants.py run --map MAP.json --again        once more those that survived
    python benchmarks/mutants.py show

`collect` needs the package coverage and runs the default suite once (`--tests` for a part of it). `run`
draws mutants of nadyn's `electronic`, `dynamics`, `models` and `training`, as many of each kind, and puts
one after the other into a copy of the tree. Results are lines of JSON, kept in `reference/mutants.json`, of
which the last one of a mutant counts. What was done about a survivor is appended by hand: the reason in the
key `equivalent` where it cannot be told from the original; or the test in `killed_by`, with `test_added`
where that test was written because of it, or `not_run` where it stood, but was not among those that were run.
"""

import argparse
import json
import random
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from mutant_sites import KINDS, Mutant, mutants_of
from mutant_tests import collect, first_failure, load_map, mutated, prepare, tests_there

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ["nadyn/electronic", "nadyn/dynamics", "nadyn/models", "nadyn/training"]
# They print and draw, and change no number.
SPEAKS_ONLY = {"progress.py", "figures.py", "notices.py", "__init__.py"}

FATES = {
    "stood": "killed by tests as they stood when it was drawn",
    "added": "killed after tests were added",
    "equivalent": "cannot be told from the original by any result",
    "open": "no test notices",
}


def draw(n: int, seed: int) -> list[Mutant]:
    """Return n mutants, as many of each kind, drawn by a seed from the sources as they are."""
    by_kind: dict[str, list[Mutant]] = {kind: [] for kind in KINDS}
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if path.name not in SPEAKS_ONLY:
                for mutant in mutants_of(str(path.relative_to(ROOT)), path.read_text()):
                    by_kind[mutant.kind].append(mutant)
    generator = random.Random(seed)
    per_kind = -(-n // len(KINDS))
    drawn = [m for kind in KINDS for m in generator.sample(by_kind[kind], min(per_kind, len(by_kind[kind])))]
    generator.shuffle(drawn)
    return drawn[:n]


def key(mutant: Mutant | dict) -> tuple[str, ...]:
    """Return what tells a mutant from the others, whatever its line is."""
    content = mutant if isinstance(mutant, dict) else asdict(mutant)
    return tuple(str(content[name]) for name in ("file", "where", "old", "new", "line"))


def read(results: Path) -> list[dict]:
    """Return the results so far, the last one of each mutant."""
    if not results.exists():
        return []
    rows = {key(row): row for row in map(json.loads, results.read_text().splitlines())}
    return list(rows.values())


def copy_of_the_tree(folder: Path) -> Path:
    """Return a copy of all files that git knows or would know."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listed, cwd=ROOT, check=True, capture_output=True).stdout.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


def run(arguments: argparse.Namespace) -> None:
    known, results = load_map(arguments.map), arguments.results
    rows = read(results)
    if arguments.again:
        wanted = {key(row) for row in rows if not row["killed_by"] and not row.get("equivalent")}
        done = set()
    else:
        wanted, done = None, {key(row) for row in rows}
    todo = [m for m in draw(arguments.n, arguments.seed) if key(m) not in done]
    todo = [m for m in todo if wanted is None or key(m) in wanted]
    prepare()
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        tree = copy_of_the_tree(Path(folder))
        there = tests_there(tree)
        quick = min(there & known.seconds.keys(), key=known.seconds.get)
        if said := first_failure(tree, [quick], cpu_seconds=100, wall_seconds=1000.0):
            raise SystemExit(f"The tests must pass before anything is changed, but there is: {said}")
        for number, mutant in enumerate(todo):
            source = (tree / mutant.file).read_text()
            tests = [test for test in known.tests_of(mutant.file, mutant.line, source) if test in there]
            chosen, seconds = [], 0.0
            for test in tests:
                if seconds + known.seconds.get(test, 1.0) <= arguments.seconds:
                    chosen.append(test)
                    seconds += known.seconds.get(test, 1.0)
            start, killed = time.monotonic(), ""
            if chosen:
                with mutated(tree / mutant.file, mutant.applied_to(source)):
                    limit = int(3 * seconds + 30)
                    killed = first_failure(tree, chosen, cpu_seconds=limit, wall_seconds=10.0 * limit)
            row = {name: value for name, value in asdict(mutant).items() if name != "start"}
            row |= {"seed": arguments.seed, "killed_by": killed, "tests": len(chosen), "of": len(tests)}
            with results.open("a") as file:
                file.write(json.dumps(row) + "\n")
            took = time.monotonic() - start
            said = f"{mutant.kind:10} {mutant.file}:{mutant.line} {killed or 'SURVIVED'}"
            print(f"{number + 1}/{len(todo)} {took:5.1f} s {said}", flush=True)


def fate(row: dict) -> str:
    """Return what has become of a mutant, one of `FATES`."""
    if row["killed_by"]:
        return "added" if row.get("test_added") else "stood"
    return "equivalent" if row.get("equivalent") else "open"


def show(arguments: argparse.Namespace) -> None:
    rows = read(arguments.results)
    for row in rows:
        if fate(row) in ("equivalent", "open"):
            print(f"{row['file']}:{row['line']} {row['kind']} ({row['of']} tests)")
            print(f"    - {row['old']}\n    + {row['new']}\n    {row.get('equivalent', '')}")
    counted = Counter((row["kind"], fate(row)) for row in rows)
    print(f"{'':12} {'drawn':>10}" + "".join(f" {name:>10}" for name in FATES))
    for kind in (*KINDS, "all"):
        numbers = [
            sum(n for (of, end), n in counted.items() if kind in (of, "all") and end == name)
            for name in FATES
        ]
        print(f"{kind:12} {sum(numbers):10}" + "".join(f" {n:10}" for n in numbers))
    for name, meaning in FATES.items():
        print(f"{name:12} {meaning}")
    not_run = sum(bool(row.get("not_run")) for row in rows)
    print(f"{not_run} of those killed by tests as they stood: by one that was not among those run")


def main() -> None:
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=plain)
    parser.add_argument("task", choices=["collect", "run", "show"])
    parser.add_argument("--map", type=Path, help="which tests walk over which lines; written by collect")
    parser.add_argument("--tests", nargs="*", default=["tests"], help="collect: these only")
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks/reference/mutants.json")
    parser.add_argument("--n", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=8.0, help="processor time of the tests of a mutant")
    parser.add_argument("--again", action="store_true", help="run: the survivors only")
    arguments = parser.parse_args()
    if arguments.task == "collect":
        collect(ROOT, FOLDERS, arguments.tests, arguments.map.resolve())
    elif arguments.task == "run":
        run(arguments)
    else:
        show(arguments)


if __name__ == "__main__":
    main()
