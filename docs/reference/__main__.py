"""Writes what the reference pages say about the program into their Markdown, from the program itself.

    python -m docs.reference            brings all pages up to date
    python -m docs.reference --check    only says which are not, with exit code 1

A page marks what is generated:

    <!-- begin configuration nadyn.dynamics.run_file.RunConfiguration -->
    <!-- end -->

Kinds: `configuration` (a table of every section; the column `meaning` is written by hand and kept), `command`
(usage and options), `commands` (all of them), `function` and `class` (signature and docstring), `source` (the
code of a function, by `path.py::name`), `sources` (which method goes with which label source), `sentences`
(those with which nadyn refuses, fails or warns, of one group of `docs.reference.sentences`). A link
without a text, `[](files.md)`, gets the heading it leads to. The JSON schemas of the package are written too.
"""

import re
import sys
from collections.abc import Callable
from pathlib import Path

from docs.reference import sources
from docs.reference.commands import command, commands
from docs.reference.configuration import configuration
from docs.reference.docstrings import class_, function
from docs.reference.links import with_text
from docs.reference.schemas import schema_files
from docs.reference.sentences import sentences
from docs.reference.source import source

DOCS = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"(<!-- begin (\w+) ?(\S*) -->\n)(.*?)(<!-- end -->)", flags=re.DOTALL)
KINDS: dict[str, Callable[[str, str], str]] = {
    "configuration": configuration,
    "command": lambda name, old: command(name),
    "commands": lambda name, old: commands(),
    "function": lambda name, old: function(name),
    "class": lambda name, old: class_(name),
    "source": lambda name, old: source(name),
    "sentences": lambda name, old: sentences(name),
    "sources": lambda name, old: sources.table(),
}


def generated(text: str) -> str:
    """Return a page with every block brought up to date."""
    return BLOCK.sub(
        lambda found: f"{found[1]}{KINDS[found[2]](found[3], found[4]).strip()}\n{found[5]}", text
    )


def every_page() -> list[Path]:
    """Return all pages, and what people read beside them in the repository."""
    root = DOCS.parent
    return sorted([root / "README.md", root / "CONTRIBUTING.md", *DOCS.rglob("*.md")])


def pages() -> list[Path]:
    """Return the pages that hold generated blocks."""
    return [path for path in sorted(DOCS.rglob("*.md")) if BLOCK.search(path.read_text(encoding="utf-8"))]


def main() -> int:
    """Bring all pages up to date, or say which are not."""
    old = []
    for path in every_page():
        text = path.read_text(encoding="utf-8")
        new = with_text(generated(text), path)
        if new == text:
            continue
        old.append(path.relative_to(DOCS.parent))
        if "--check" not in sys.argv:
            path.write_text(new, encoding="utf-8")
    pages_now = [path.read_text(encoding="utf-8") for path in pages()]
    for path, text in schema_files(pages_now):
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            old.append(path.relative_to(DOCS.parent))
            if "--check" not in sys.argv:
                path.parent.mkdir(exist_ok=True)
                path.write_text(text, encoding="utf-8")
    for path in old:
        print(f"{path}: {'out of date' if '--check' in sys.argv else 'written'}")
    return int(bool(old) and "--check" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
