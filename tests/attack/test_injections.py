"""Names in files stay names: no tag, script or escape sequence of a file reaches a browser or a terminal."""

import json
from html.parser import HTMLParser
from pathlib import Path

import h5py
import numpy as np
import pytest

from nadyn.analysis import report
from tests.analysis.synthetic_run import write_run
from tests.attack.bombs import HTML, TAG
from tests.cli.typed import typed

ESCAPE = "\x1b]0;owned\x07\x1b[2J[bold]b[/bold]\u202e"

# A slash opens a folder.
WORD = ESCAPE.replace("/", "")


class Tags(HTMLParser):
    """The tags of a page with the names of their attributes, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, ...]] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, *(name for name, _ in attributes)))


def _run(path: Path, word: str) -> Path:
    state = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0], [0, 0, 0]])
    config = {"method": "fssh", "dt_fs": 1.0, "time_fs": 3.0, "seed": 3, "model": word, word: word}
    write_run(
        path, state, n_states=2, config=config, status=np.array([0, 2, 0]), last_step=np.array([3, 2, 3])
    )
    with h5py.File(path, "r+") as file:
        names, advice = (json.loads(file.attrs[name]) for name in ("status_names", "status_advice"))
        file.attrs["status_names"] = json.dumps(names | {"2": word})
        file.attrs["status_advice"] = json.dumps(advice | {"2": word})
        file.attrs["warnings"] = json.dumps([word])
        for name in ("model_name", "host", "nadyn_version", "date", "model_digest"):
            file.attrs[name] = word
        # Whoever deceives takes this away.
        del file.attrs["sha256"]
    return path


def test_no_tag_of_a_run_reaches_its_report(tmp_path):
    tags = []
    for number, word in enumerate(("harmless", HTML)):
        folder = tmp_path / str(number)
        folder.mkdir()
        text = report(_run(folder / "run.h5", word), folder / "report.html").read_text(encoding="utf-8")
        assert word != HTML or TAG in text
        tags.append(Tags(text).found)
    assert tags[0] == tags[1]
    assert len(tags[0]) > 100


@pytest.fixture
def named(tmp_path, monkeypatch):
    """A dataset and a run whose names want to write on the screen, and elsewhere."""
    monkeypatch.chdir(tmp_path)
    _run(tmp_path / "run.h5", ESCAPE)
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file.attrs["format"], file.attrs["version"] = "nadyn-dataset", 1
        group = file.create_group(WORD)
        group.attrs["multiplicities"], group.attrs["charge"] = [1], 0
        for name in ("theory", "source", "licence", "note"):
            group.attrs[name] = ESCAPE
        group["atomic_numbers"] = [1, 1]
        for name, array, unit in (
            ("positions", np.eye(2, 3)[None] * 1.1, "bohr"),
            ("energies", np.zeros((1, 1)), "hartree"),
            (WORD, np.zeros(1), ESCAPE),
        ):
            group[name] = array
            group[name].attrs["unit"] = unit
    return tmp_path


@pytest.mark.parametrize(
    "arguments",
    [
        ("info", "data.h5"),
        ("info", "run.h5"),
        ("analyse", "run.h5"),
        ("convert", "data.h5", "out.xyz"),
        ("cite", "run.h5"),
    ],
)
def test_no_escape_sequence_reaches_the_terminal(named, arguments):
    code, said = typed(*arguments)
    assert code == 0, said
    assert [one for one in said if not (one.isprintable() or one in "\n\t")] == []


def test_a_comment_of_an_xyz_file_is_a_comment(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    comment = (
        "energy=1.0 Properties=species:S:1:pos:R:3 theory=\"__import__('os').system('touch boom')\" "
        f'info={{"__ase_objtype__": "atoms"}} name="../../{TAG}" x=_JSON {{"a": 1}} {HTML}'
    )
    (tmp_path / "data.xyz").write_text(f"2\n{comment}\nH 0 0 0\nH 0 0 1\n", encoding="utf-8")
    code, said = typed("convert", "data.xyz", "out.h5")
    assert code in (0, 2) and "Traceback" not in said, said
    assert {path.name for path in tmp_path.iterdir()} <= {"data.xyz", "out.h5"}
    assert {path.name for path in tmp_path.parent.iterdir()} & {TAG} == set()
