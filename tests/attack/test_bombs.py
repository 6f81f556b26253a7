"""No file runs code, reads or writes elsewhere, or fills the memory: it is refused in one sentence."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.attack import guard
from tests.attack.bombs import BOMBS, SECRET
from tests.cli.typed import typed

# Large to write or to read; they stand with the slow ones alone.
LARGE = {"gzip_of_zeros", "zip_of_zeros", "hdf5_packed_zeros", "model_that_announces_a_vast_network"}
MEGABYTES, SECONDS = 1500, 120


@pytest.fixture(scope="module")
def watch():
    # A hook stays for the life of the process; this one does nothing until it is armed.
    hook = guard.Guard(Path("/nowhere"))
    sys.addaudithook(hook)
    return hook


@pytest.fixture
def folder(tmp_path, monkeypatch):
    inside = tmp_path / "inside"
    inside.mkdir()
    monkeypatch.chdir(inside)
    monkeypatch.setattr("tempfile.tempdir", str(inside))
    return inside


def _check(code: int, said: str, folder: Path, before: set[str]) -> None:
    sentences = [line for line in said.splitlines() if not line.startswith("nadyn: warning: ")]
    assert code == 2 and len(sentences) == 1 and sentences[0].startswith("nadyn: "), said
    assert "Traceback" not in said and "FORBIDDEN" not in said and str(SECRET) not in said
    assert {path.name for path in folder.iterdir()} == before


@pytest.mark.parametrize("name", sorted(set(BOMBS) - LARGE))
def test_a_bomb_is_refused_in_one_sentence(name, folder, watch, unchecked_annotations):
    arguments = BOMBS[name](folder)
    before = {path.name for path in folder.iterdir()}
    limits = guard.limited_memory(MEGABYTES)
    watch.allow(folder)
    watch.armed = True
    try:
        code, said = typed(*arguments)
    finally:
        watch.armed = False
        resource.setrlimit(resource.RLIMIT_AS, limits)
    assert watch.found == []
    _check(code, said, folder, before)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(BOMBS))
def test_a_process_of_its_own_refuses_it_too(name, folder):
    arguments = BOMBS[name](folder)
    before = {path.name for path in folder.iterdir()}
    program = [sys.executable, "-P", guard.__file__, str(folder), str(MEGABYTES), *arguments]
    ended = subprocess.run(program, capture_output=True, text=True, timeout=SECONDS, cwd=folder)
    _check(ended.returncode, ended.stdout + ended.stderr, folder, before)


@pytest.mark.parametrize(
    "code",
    [
        "open('../elsewhere', 'w')",
        "exec('1')",
        "__import__('os').system('true')",
        "__import__('subprocess').run(['true'])",
        "__import__('socket').socket()",
        "__import__('pickle').loads(b'cos\\nsystem\\n.')",
        "__import__('os').rename('inside', '../elsewhere')",
    ],
)
def test_the_guard_itself_forbids_what_it_must(code, folder, watch):
    compiled = compile(code, guard.__file__, "exec")
    watch.allow(folder)
    watch.armed = True
    try:
        with pytest.raises(PermissionError, match="FORBIDDEN"):
            exec(compiled, {})
    finally:
        watch.armed = False
        watch.found.clear()
    assert not os.path.exists("../elsewhere")
