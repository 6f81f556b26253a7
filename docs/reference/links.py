"""Links by the name of what they lead to: `[](files.md)` is read in a built page only."""

import re
from pathlib import Path

_WITHOUT_TEXT = re.compile(r"(?<!!)\[\]\(([^)#\s]*)(#[^)\s]+)?\)")
_HEADING = re.compile(r"^#+ (.+?) *$", flags=re.MULTILINE)


def with_text(text: str, page: Path) -> str:
    """Return a page whose links without a text have the heading that they lead to.

    Args:
        text: The page.
        page: Where it lies; links begin at its folder.

    Raises:
        LookupError: There is no such heading.
    """
    return _WITHOUT_TEXT.sub(lambda found: f"[{_heading(found, text, page)}]{found[0][2:]}", text)


def _heading(found: re.Match[str], text: str, page: Path) -> str:
    target, anchor = found[1], found[2]
    there = (page.parent / target).read_text(encoding="utf-8") if target else text
    headings = _HEADING.findall(re.sub(r"^```.*?^```$", "", there, flags=re.MULTILINE | re.DOTALL))
    for heading in headings:
        if anchor is None or slug(heading) == anchor[1:]:
            return heading
    raise LookupError(f"{page}: {found[0]} leads to no heading")


def slug(heading: str) -> str:
    """Return the anchor of a heading, as a repository's viewer and the built pages have it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
