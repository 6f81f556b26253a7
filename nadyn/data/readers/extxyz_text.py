"""The text of an extended xyz file before ASE reads it: isotopes by symbol, columns that nobody names, words.

ASE makes a number of a tag `007` and a truth of `T`; texts of nadyn are read here, letter by letter.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from nadyn.checks.errors import InputError
from nadyn.structures.isotopes import NAMED_ISOTOPES

_PROPERTIES = re.compile(r"""Properties\s*=\s*["']?([^\s"']+)""")
_DEFAULT = "species:S:1:pos:R:3"
TEXTS = ("theory", "source", "licence", "note", "history")
_TEXT = re.compile(rf"""\bnadyn_(group|tag|{"|".join(TEXTS)})="((?:[^"\\]|\\.)*)\"""")
# What Python takes for the end of a line beside the usual ends, which JSON writes as they are.
_LINE_ENDS = {"\x85": "\\u0085", "\u2028": "\\u2028", "\u2029": "\\u2029"}


@dataclass(frozen=True)
class FrameNotes:
    """What ASE does not tell of a frame.

    Attributes:
        isotopes: Mass number of the atoms whose symbol is that of an isotope.
        n_undeclared: Numbers of a row beyond those that the header names.
        texts: `group` and `tag`, and `TEXTS` of the group in its first frame, where they stand in quotes.
    """

    isotopes: Mapping[int, int] = field(default_factory=dict)
    n_undeclared: int = 0
    texts: Mapping[str, str] = field(default_factory=dict)


def prepared(text: str) -> tuple[str, list[FrameNotes]]:
    """Return the text with the elements of isotopes, and notes on each frame.

    What is no frame is left as it is, for ASE to say so.

    Raises:
        InputError: A frame ends before its last atom. ASE would look for as many lines as there ought to be.
    """
    lines, notes, start = text.splitlines(), [], 0
    while (n_atoms := _number_of_atoms(lines, start)) is not None:
        if (there := max(0, len(lines) - start - 2)) < n_atoms:
            raise InputError(
                f"frame {len(notes)} must be readable, but is not: it says that it has {n_atoms} atoms, and "
                f"the file ends after {there}."
            )
        header = lines[start + 1] if start + 1 < len(lines) else ""
        found = _PROPERTIES.search(header)
        column, width = _layout(found.group(1) if found else _DEFAULT)
        isotopes = {}
        for atom, number in enumerate(range(start + 2, min(start + 2 + n_atoms, len(lines)))):
            words = lines[number].split(None, column + 1)
            if len(words) > column and words[column] in NAMED_ISOTOPES:
                words[column], isotopes[atom] = NAMED_ISOTOPES[words[column]]
                lines[number] = " ".join(words)
        first = lines[start + 2].split() if start + 2 < len(lines) and n_atoms else []
        texts = {key: _unquoted(text) for key, text in _TEXT.findall(header)}
        notes.append(FrameNotes(isotopes, max(0, len(first) - width) if found else 0, texts))
        start += 2 + n_atoms
        # Cell vectors below the atoms, as ASE knows them.
        while start < len(lines) and lines[start].lstrip().startswith("VEC"):
            start += 1
    return "\n".join(lines) + "\n", notes


def _number_of_atoms(lines: list[str], start: int) -> int | None:
    """Return what a line says as ASE reads it, None where it is no number of atoms."""
    try:
        number = int(lines[start])
    except (ValueError, IndexError):
        return None
    return number if number >= 0 else None


def quoted(text: str) -> str:
    """Return a text in quotes, as JSON, without an end of a line."""
    return json.dumps(text, ensure_ascii=False).translate(str.maketrans(_LINE_ENDS))


def _unquoted(text: str) -> str:
    try:
        return json.loads(f'"{text}"')
    except ValueError:
        # Written by hand, or by an older version: as it stands.
        return text


def _layout(properties: str) -> tuple[int, int]:
    """Return the column of the symbol, and the number of columns, of `name:type:count:…`."""
    words = properties.split(":")
    counts = [int(word) if word.isdecimal() else 1 for word in words[2::3]]
    names = words[0::3]
    column = sum(counts[: names.index("species")]) if "species" in names else 0
    return column, sum(counts)
