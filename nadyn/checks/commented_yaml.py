"""Configuration files that explain themselves: each key with a comment above it."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import yaml

_WIDTH = 100


@dataclass(frozen=True)
class Line:
    """One key of a configuration file.

    Attributes:
        key: Its name.
        value: Plain values, lists and mappings of them.
        comment: What it means here, above it.
        active: Otherwise it stands behind `#`, as something to try.
    """

    key: str
    value: object
    comment: str = ""
    active: bool = True


def commented_yaml(title: Sequence[str], lines: Sequence[Line]) -> str:
    """Return a YAML text: paragraphs of a title, then one key after the other, each with its comment."""
    parts = ["\n#\n".join(_comment(paragraph) for paragraph in title)]
    for line in lines:
        text = f"{line.key}: {_plain(line.value)}"
        above = f"{_comment(line.comment)}\n" if line.comment else ""
        parts.append(above + (text if line.active else f"# {text}"))
    return "\n\n".join(parts) + "\n"


def _comment(text: str) -> str:
    # Commands and paths must stay in one piece to be copied.
    lines = textwrap.wrap(text, _WIDTH - 2, break_long_words=False, break_on_hyphens=False)
    return "\n".join(f"# {line}" for line in lines)


def _plain(value: object) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=float("inf"))
    return text.removesuffix("...\n").strip()
