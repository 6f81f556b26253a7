"""What the reference pages say of the program is true, and stands in the Markdown itself."""

import re
from pathlib import Path

import pytest
from pydantic import Field

from docs.reference import __main__ as reference
from docs.reference.configuration import NOT_EXPLAINED, configuration, meanings_in
from docs.reference.docstrings import function
from nadyn import _FUNCTIONS
from nadyn.checks.configuration import Configuration
from nadyn.cli.main import COMMANDS

PAGES = reference.pages()
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def blocks(kind: str) -> list[str]:
    found = [reference.BLOCK.findall(page.read_text(encoding="utf-8")) for page in PAGES]
    return [block[2] for page in found for block in page if block[1] == kind]


@every_page
def test_a_page_is_up_to_date(page):
    """Where this fails: python -m docs.reference"""
    text = page.read_text(encoding="utf-8")
    assert reference.generated(text) == text


@every_page
def test_every_key_is_explained(page):
    text = page.read_text(encoding="utf-8")
    assert [line for line in text.splitlines() if NOT_EXPLAINED in line or line.endswith("|  |")] == []


@every_page
def test_every_block_is_of_a_known_kind_and_ends(page):
    text = page.read_text(encoding="utf-8")
    begun = re.findall(r"<!-- begin (\w+)", text)
    assert set(begun) <= set(reference.KINDS)
    assert len(begun) == text.count("<!-- end -->") == len(reference.BLOCK.findall(text))


def test_run_file_training_file_every_command_and_every_public_function_have_their_block():
    assert {name.rpartition(".")[2] for name in blocks("configuration")} == {
        "RunConfiguration",
        "TrainingConfiguration",
    }
    assert sorted(blocks("command")) == sorted(COMMANDS)
    assert len(blocks("commands")) == 1
    assert set(_FUNCTIONS) <= {name.rpartition(".")[2] for name in blocks("function")}


class Inner(Configuration):
    depth: int = 3


class Outer(Configuration):
    width: float = Field(gt=0)
    inner: Inner | None = None


def test_a_table_is_written_anew_and_keeps_what_was_explained_by_hand(monkeypatch):
    name = f"{__name__}.Outer"
    first = configuration(name, "")
    assert "| `width` | number | required | (not explained) |" in first
    assert "**`inner`**" in first and "| `depth` | integer | `3` | (not explained) |" in first
    told = first.replace("required | (not explained)", r"required | Of a\|b.")
    monkeypatch.setattr(Inner.model_fields["depth"], "default", 4)
    second = configuration(name, told)
    assert r"| `width` | number | required | Of a\|b. |" in second
    assert "| `depth` | integer | `4` | (not explained) |" in second
    assert meanings_in(second)["", "width"] == "Of a|b."


def test_a_docstring_becomes_markdown_that_shows_what_it_says(tmp_path):
    text = function("nadyn.trajectory.load_trajectories")
    assert text.startswith(
        "### `nadyn.load_trajectories`\n\n```python\nload_trajectories(path: str | Path, *,"
    )
    assert "\n- `frames`: Which frames, for instance `slice(None, None, 10)` for every tenth or" in text
    assert "\n*Raises*\n\n- `InputError`: The file is missing," in text


def test_pages_hold_no_directive_that_only_a_build_fills_in():
    docs = Path(reference.DOCS)
    for page in docs.rglob("*.md"):
        assert not re.search(r"```\{(configuration|command-help|eval-rst)", page.read_text(encoding="utf-8"))
