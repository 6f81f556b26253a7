"""The text of an extended xyz file before ASE reads it: isotopes by symbol, columns that nobody names."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from nadyn.structures.isotopes import NAMED_ISOTOPES

_PROPERTIES = re.compile(r"""Properties\s*=\s*["']?([^\s"']+)""")
_DEFAULT = "species:S:1:pos:R:3"


@dataclass(frozen=True)
class FrameNotes:
    """What ASE does not tell of a frame.

    Attributes:
        isotopes: Mass number of the atoms whose symbol is that of an isotope.
        n_undeclared: Numbers of a row beyond those that the header names.
    """

    isotopes: Mapping[int, int] = field(default_factory=dict)
    n_undeclared: int = 0


def prepared(text: str) -> tuple[str, list[FrameNotes]]:
    """Return the text with the elements of isotopes, and notes on each frame.

    What is no frame is left as it is, for ASE to say so.
    """
    lines, notes, start = text.splitlines(), [], 0
    while start < len(lines) and lines[start].strip().isdecimal():
        n_atoms = int(lines[start])
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
        notes.append(FrameNotes(isotopes, max(0, len(first) - width) if found else 0))
        start += 2 + n_atoms
    return "\n".join(lines) + "\n", notes


def _layout(properties: str) -> tuple[int, int]:
    """Return the column of the symbol, and the number of columns, of `name:type:count:…`."""
    words = properties.split(":")
    counts = [int(word) if word.isdecimal() else 1 for word in words[2::3]]
    names = words[0::3]
    column = sum(counts[: names.index("species")]) if "species" in names else 0
    return column, sum(counts)
