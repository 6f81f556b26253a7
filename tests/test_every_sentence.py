"""The page of sentences has every sentence of the program, in words that a reader can look up."""

import ast
import re

import pytest
from test_reference_pages import blocks

from docs.reference.sentences import GROUPS, _said, every_sentence, group_of, sentences, templates
from nadyn.checks.errors import InputError
from nadyn.data.readers.reader import ReadOptions
from nadyn.data.readers.table import read_file
from nadyn.structures import atomic_number
from nadyn.trajectory.newtonx_initial import read_start_folders
from tests.cli.typed import typed

SOURCE = """
def refuse(path, n, names):
    raise InputError(f"file {str(path)!r} must hold {counted(n, 'frame')}, but "
                     f"holds {len(names)}: {', '.join(names)}.")
def fail(path):
    raise RunError("the disk " + f"is full at {path.name:20}, and says so. Make room.")
def pass_on(where, error):
    raise InputError(f"{where}: {error}") from error
def look_up(kind):
    raise InputError(_sentence(kind))
def _sentence(kind):
    if kind:
        return f"`{kind}` must be known, but is not."
    return "nothing must be known, and is not."
def made_here(path):
    return InputError(f"file {path.name} must be raised elsewhere, but is made here.")
def warn(_count):
    warnings.warn(f"{_count + 1} things look wrong here.", InputWarning, stacklevel=2)
class Section:
    @model_validator(mode="after")
    def _check(self):
        raise ValueError("`a` must stand beside `b`, but stands alone.")
    def other(self):
        raise ValueError("this is for programmers only and no sentence.")
"""
EXPECTED = {
    ("file '<path>' must hold <number of frames>, but holds <number of names>: <names>.", "refused"),
    ("the disk is full at <name>, and says so. Make room.", "failed"),
    ("`<kind>` must be known, but is not.", "refused"),
    ("nothing must be known, and is not.", "refused"),
    ("<count> things look wrong here.", "warning"),
    ("`a` must stand beside `b`, but stands alone.", "refused"),
    ("<where>: <error>", "refused"),
    ("file <name> must be raised elsewhere, but is made here.", "refused"),
}


def test_a_sentence_is_read_from_the_source_with_its_placeholders():
    tree = ast.parse(SOURCE)
    functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    found = {(text, kind) for kind, said in _said(tree) for text in templates(said, functions)}
    assert found == EXPECTED


def test_every_group_has_its_place_on_the_page_and_every_sentence_a_group():
    assert sorted(blocks("sentences")) == sorted(GROUPS)
    counts = dict.fromkeys(GROUPS, 0)
    for one in every_sentence():
        counts[group_of(one.file)] += 1
    assert min(counts.values()) > 0
    # A place that is no file or folder any more would leave its sentences to another group.
    assert counts["others"] < 10 and len(every_sentence()) > 800


def test_sentences_stand_in_the_order_of_their_letters_and_once():
    rows = [line.split(" | ")[0].strip("| ") for line in sentences("reading").splitlines()[2:]]
    words = [
        re.sub("[^a-z ]", "", re.sub("<[^>]*>", "", row.lower().replace("\\", ""))).strip() for row in rows
    ]
    assert words == sorted(words) and len(rows) == len(set(rows)) > 100


REFUSALS = [
    lambda folder: read_file(folder / "none.xyz"),
    lambda folder: read_file(folder, ReadOptions()),
    lambda folder: read_start_folders(folder),
    lambda folder: atomic_number("Qq"),
]


@pytest.mark.parametrize("refusal", REFUSALS)
def test_what_is_said_at_run_time_is_on_the_page(tmp_path, refusal):
    with pytest.raises(InputError) as caught:
        refusal(tmp_path)
    assert _is_listed(str(caught.value))


def test_what_a_command_says_is_on_the_page(tmp_path):
    code, said = typed("convert", tmp_path / "a.h5", tmp_path / "b.h5", "--couplings", "x")
    assert code == 2 and _is_listed(said.strip().removeprefix("nadyn: "))
    assert not _is_listed("this is said by nobody.")


def _is_listed(message: str) -> bool:
    for one in every_sentence():
        pattern = "".join(
            ".*" if part.startswith("<") else re.escape(part) for part in re.split(r"(<[^>]*>)", one.text)
        )
        if re.fullmatch(pattern, message, flags=re.DOTALL):
            return True
    return False
