"""Which tests walk over which line, how long they take, and a process that runs a few of them on a mutant.

Used by `mutants.py`; no program of its own. The map is made once by running the default suite with the
package `coverage`, which nadyn itself does not need.
"""

import difflib
import importlib
import json
import os
import resource
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

# Imported once in the process from which every mutant's process is forked; nadyn itself is not.
_HEAVY = ("torch", "numpy", "scipy.optimize", "scipy.linalg", "h5py", "ase.io", "matplotlib.pyplot", "yaml")
_HEAVY += ("pydantic", "typer.testing", "rich.table", "safetensors.torch")


@dataclass(frozen=True)
class CoverageMap:
    """Tests of each line of some sources.

    Attributes:
        seconds: Processor time of each test.
        lines: Tests that walk over a line, by file and line; also those whose module's fixtures do.
        sources: The text of each file when the map was made.
    """

    seconds: dict[str, float]
    lines: dict[str, dict[int, list[str]]]
    sources: dict[str, str]

    def tests_of(self, file: str, line: int, now: str) -> list[str]:
        """Return the tests of a line of today's source, the most telling first.

        One case of each test before the second of any, and the quick ones before the slow ones. A line that
        runs at import only has the tests of the whole file.
        """
        lines = self.lines.get(file, {})
        tests = set(lines.get(_line_then(line, self.sources.get(file, ""), now), []))
        tests = tests or {test for line in lines.values() for test in line}
        cases: dict[str, int] = defaultdict(int)
        ranked = []
        for test in sorted(tests, key=lambda test: (self.seconds.get(test, 1.0), test)):
            function = test.split("[")[0]
            ranked.append((cases[function], self.seconds.get(test, 1.0), test))
            cases[function] += 1
        return [test for _, _, test in sorted(ranked)]


def _line_then(line: int, then: str, now: str) -> int:
    """Return the number that a line of today's text had in the text of the map; 0 if it had none."""
    if then == now:
        return line
    matcher = difflib.SequenceMatcher(None, then.splitlines(), now.splitlines(), autojunk=False)
    for old, new, size in matcher.get_matching_blocks():
        if new <= line - 1 < new + size:
            return line - new + old
    return 0


class _Collector:
    """A pytest plugin that names what coverage measures after the test that runs."""

    def __init__(self, measured) -> None:
        self.measured, self.seconds = measured, {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item):
        self.measured.switch_context("fixtures of " + item.nodeid.split("::")[0])
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item):
        self.measured.switch_context(item.nodeid)
        start = time.process_time()
        try:
            return (yield)
        finally:
            self.seconds[item.nodeid] = time.process_time() - start


def collect(root: Path, folders: list[str], tests: list[str], known: Path) -> None:
    """Run tests with coverage and write the map; entries of other tests in the file stay."""
    import coverage

    os.chdir(root)
    measured = coverage.Coverage(data_file=None, include=[f"{folder}/*" for folder in folders])
    collector = _Collector(measured)
    measured.start()
    sys.path.insert(0, str(root))
    pytest.main(["-p", "no:cacheprovider", *tests], plugins=[collector])
    measured.stop()
    found = CoverageMap(collector.seconds, {}, {})
    by_module = defaultdict(list)
    for test in collector.seconds:
        by_module[test.split("::")[0]].append(test)
    data = measured.get_data()
    for name in data.measured_files():
        file = str(Path(name).relative_to(root))
        found.sources[file] = Path(name).read_text()
        found.lines[file] = {}
        for line, contexts in data.contexts_by_lineno(name).items():
            walked = set()
            for context in contexts:
                own = by_module[context.removeprefix("fixtures of ")] if " of " in context else [context]
                walked |= set(own) & set(collector.seconds)
            if walked:
                found.lines[file][line] = sorted(walked)
    if known.exists():
        found = _joined(load_map(known), found)
    # Names of tests are long and many: a number stands for each.
    names = sorted(found.seconds)
    number = {name: i for i, name in enumerate(names)}
    lines = {
        file: {line: [number[test] for test in tests if test in number] for line, tests in by_line.items()}
        for file, by_line in found.lines.items()
    }
    seconds = [round(found.seconds[name], 3) for name in names]
    known.write_text(
        json.dumps({"tests": names, "seconds": seconds, "lines": lines, "sources": found.sources})
    )


def load_map(path: Path) -> CoverageMap:
    """Return a map that `collect` has written."""
    content = json.loads(path.read_text())
    names = content["tests"]
    lines = {
        file: {int(line): [names[i] for i in tests] for line, tests in by_line.items()}
        for file, by_line in content["lines"].items()
    }
    return CoverageMap(dict(zip(names, content["seconds"], strict=True)), lines, content["sources"])


def _joined(old: CoverageMap, new: CoverageMap) -> CoverageMap:
    modules = {test.split("::")[0] for test in new.seconds}
    seconds = {test: s for test, s in old.seconds.items() if test.split("::")[0] not in modules} | new.seconds
    lines = dict(new.lines)
    for file, by_line in old.lines.items():
        now = new.sources.get(file, old.sources[file])
        merged = {line: list(tests) for line, tests in new.lines.get(file, {}).items()}
        then_of = {_line_then(i + 1, old.sources[file], now): i + 1 for i in range(len(now.splitlines()))}
        for line, tests in by_line.items():
            kept = [test for test in tests if test.split("::")[0] not in modules]
            if kept and line in then_of:
                merged.setdefault(then_of[line], []).extend(kept)
        lines[file] = merged
    return CoverageMap(seconds, lines, {**old.sources, **new.sources})


class _Names:
    """A pytest plugin that writes the names of all tests there are into a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def pytest_collection_finish(self, session):
        self.path.write_text("\n".join(item.nodeid for item in session.items))


def tests_there(root: Path) -> set[str]:
    """Return the names of all tests of the default suite in the tree at `root`."""
    path = root / "names-of-tests"
    process = os.fork()
    if process == 0:
        _child(root, ["--collect-only"], os.open(os.devnull, os.O_WRONLY), 600, _Names(path))
    os.waitpid(process, 0)
    return set(path.read_text().splitlines())


class _First:
    """A pytest plugin that remembers the first test that failed."""

    name = ""

    def pytest_runtest_logreport(self, report):
        if report.failed and not self.name:
            self.name = report.nodeid

    def pytest_collectreport(self, report):
        if report.failed and not self.name:
            self.name = f"import of {report.nodeid}"


@contextmanager
def mutated(path: Path, source: str) -> Iterator[None]:
    """Write another text into a file, and the old one back at the end."""
    before = path.read_text()
    try:
        path.write_text(source)
        _touch(path)
        yield
    finally:
        path.write_text(before)
        _touch(path)


_clock = [int(time.time())]


def _touch(path: Path) -> None:
    # Compiled files are told apart by size and full seconds: no two texts may share both.
    _clock[0] += 2
    os.utime(path, (_clock[0], _clock[0]))


def prepare() -> None:
    """Import what all tests need and no mutant changes."""
    os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MPLBACKEND="agg")
    for name in _HEAVY:
        importlib.import_module(name)


def first_failure(root: Path, tests: list[str], *, cpu_seconds: int, wall_seconds: float) -> str:
    """Return the first of the tests that fails in the tree at `root`, in a process of its own.

    Empty where all pass; "time limit" where they took longer than allowed, "crash" where the process died.
    """
    read, write = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(read)
        _child(root, tests, write, cpu_seconds)
    os.close(write)
    deadline, status = time.monotonic() + wall_seconds, None
    while status is None:
        done, code = os.waitpid(process, os.WNOHANG)
        if done:
            status = code
        elif time.monotonic() > deadline:
            os.killpg(process, signal.SIGKILL)
            os.waitpid(process, 0)
            status = signal.SIGKILL
        else:
            time.sleep(0.05)
    with os.fdopen(read) as pipe:
        said = pipe.read()
    if os.WIFSIGNALED(status):
        slow = os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGKILL)
        return "time limit" if slow else "crash"
    code = os.WEXITSTATUS(status)
    if code == pytest.ExitCode.USAGE_ERROR and not said:
        raise SystemExit(f"Tests must exist, but one of these does not: {' '.join(tests)}")
    return "" if code == 0 else (said or "crash")


def _child(root: Path, tests: list[str], write: int, cpu_seconds: int, plugin: object = None) -> None:
    code = 3
    try:
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 5))
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        os.chdir(root)
        sys.path.insert(0, str(root))
        first = _First()
        plugins = [first] if plugin is None else [plugin]
        code = int(pytest.main(["-x", "-p", "no:cacheprovider", *tests], plugins=plugins))
        os.write(write, first.name.encode())
    finally:
        os._exit(code)
