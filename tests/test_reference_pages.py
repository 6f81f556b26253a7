"""What the reference pages say of the program is true, and stands in the Markdown itself."""

import re
from pathlib import Path

import pytest
from pydantic import Field

from docs.reference import __main__ as reference
from docs.reference.configuration import NOT_EXPLAINED, configuration, meanings_in
from docs.reference.docstrings import function
from docs.reference.links import with_text
from docs.reference.source import source
from nadyn import _FUNCTIONS
from nadyn.checks.configuration import Configuration
from nadyn.cli.main import COMMANDS
from nadyn.interfaces.sources import SOURCES

PAGES = reference.pages()
# Of these each line is looked up, and none is read from its beginning.
LISTS = ("index.md", "sentences.md")
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
    shown = {name.rpartition(".")[2] for name in blocks("configuration")}
    sources = {section.__name__ for section in SOURCES.values()}
    assert shown - sources == {"RunConfiguration", "TrainingConfiguration"}
    assert sources - shown <= {"PyscfSection"}
    assert sorted(blocks("command")) == sorted(name.replace(" ", "-") for name in COMMANDS)
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


@pytest.mark.parametrize("page", reference.every_page(), ids=lambda page: page.name)
def test_every_link_says_where_it_leads(page):
    """Where this fails: python -m docs.reference"""
    text = page.read_text(encoding="utf-8")
    assert with_text(text, page) == text


def test_a_link_without_a_text_gets_the_heading_that_it_leads_to(tmp_path):
    (tmp_path / "other.md").write_text("# A page\n\n```\n# no heading\n```\n\n## It's `one` part\n")
    page = tmp_path / "page.md"
    text = "See [](other.md), [](other.md#its-one-part) and [](#here); ![](a.png).\n\n## Here\n"
    assert with_text(text, page) == (
        "See [A page](other.md), [It's `one` part](other.md#its-one-part) and [Here](#here); ![](a.png).\n\n"
        "## Here\n"
    )
    with pytest.raises(LookupError):
        with_text("[](other.md#elsewhere)", page)


def test_the_code_that_a_page_shows_is_that_of_the_file():
    assert blocks("source") == ["examples/06_from_other_programs.py::read_sharc"]
    shown = source("examples/06_from_other_programs.py::read_sharc")
    assert shown.startswith("```python\ndef read_sharc(folder: Path)") and shown.endswith(
        "return arrays\n```"
    )


def test_the_index_leads_to_every_page_with_a_line_on_each():
    index = (reference.DOCS / "index.md").read_text(encoding="utf-8")
    listed = re.findall(r"^- \[[^\]]+\]\(([\w/]+)\.md\): \w.*\.$", index, flags=re.MULTILINE)
    pages = {str(path.relative_to(reference.DOCS).with_suffix("")) for path in reference.DOCS.rglob("*.md")}
    assert sorted(listed) == sorted(pages - {"index"})
    # The built pages have their menu from the same list.
    in_menu = re.findall(
        r"^([\w/]+)$", "".join(re.findall(r"```\{toctree\}(.*?)```", index, re.DOTALL)), re.M
    )
    assert sorted(in_menu) == sorted(listed)


def test_pages_hold_no_directive_that_only_a_build_fills_in():
    docs = Path(reference.DOCS)
    for page in docs.rglob("*.md"):
        assert not re.search(
            r"```\{(configuration|command-help|eval-rst|literalinclude)", page.read_text(encoding="utf-8")
        )


def words_to_read(text: str) -> int:
    """Return the number of words of a page beside its tables, code, formulas, notes and what is generated."""
    text = reference.BLOCK.sub("", text)
    for left_out in (r"^```.*?^```$", r"\$\$.*?\$\$", r"^\[\^.*?(?=\n\n|\Z)"):
        text = re.sub(left_out, "", text, flags=re.MULTILINE | re.DOTALL)
    return len(re.sub(r"^\s*\|.*$", "", text, flags=re.MULTILINE).split())


@pytest.mark.parametrize(
    "page", [page for page in reference.every_page() if page.name not in LISTS], ids=lambda page: page.name
)
def test_a_page_is_read_in_a_screen_or_two(page):
    """Where this fails: move a section to a page of its own, with a line in the index."""
    assert words_to_read(page.read_text(encoding="utf-8")) <= 1000


def test_words_to_read_are_those_between_tables_and_code():
    page = "# Two words\n\n| a | table |\n\n```\ncode\n```\n\nfour more words [^note]\n\n[^note]: of\n  it\n"
    assert words_to_read(page + "\n<!-- begin commands -->\nmade\n<!-- end -->\n") == 7
