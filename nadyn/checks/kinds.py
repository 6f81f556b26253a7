"""What a file is by its first bytes, in words, for sentences that refuse it where another kind is wanted."""

import re
from enum import Enum
from pathlib import Path

from nadyn.checks.errors import InputError

_LOOKED_AT = 4096
_LONGEST_HEADER = 1 << 28


class Kind(Enum):
    """Kinds of files that commands read or write, and others that people give them; the value says which."""

    EMPTY = "empty"
    HDF5 = "an HDF5 file"
    MODEL = "a model file"
    DATABASE = "an SQLite database"
    JSON = "a JSON file"
    PAGE = "an HTML page"
    PICTURE = "a picture"
    PACKED = "a packed file"
    GEOMETRY = "an xyz file"
    SETTINGS = "a YAML file, such as a run file"
    TEXT = "a text file"
    OTHER = "a file of another kind"


# The attribute `format` of the HDF5 files of nadyn.
_FORMATS = {
    "nadyn-dataset": "a dataset of nadyn",
    "nadyn-trajectories": "a trajectory file of nadyn",
    "nadyn-initial": "a file of initial conditions",
}
_KEY = re.compile(r"['\"]?\w+['\"]?\s*:")
_BEGINNINGS = {
    b"\x89HDF\r\n\x1a\n": Kind.HDF5,
    b"SQLite format 3": Kind.DATABASE,
    b"\x1f\x8b": Kind.PACKED,
    b"PK\x03\x04": Kind.PACKED,
    b"\x89PNG": Kind.PICTURE,
    b"\xff\xd8\xff": Kind.PICTURE,
    b"%PDF": Kind.PICTURE,
}


def kind_of(path: Path) -> Kind:
    """Return which kind of file is at a path, by its content."""
    with path.open("rb") as file:
        content = file.read(_LOOKED_AT)
    if not content:
        return Kind.EMPTY
    # The length of a header of JSON stands before it.
    if content[8:9] == b"{" and int.from_bytes(content[:8], "little") < _LONGEST_HEADER:
        return Kind.MODEL
    for beginning, kind in _BEGINNINGS.items():
        if content.startswith(beginning):
            return kind
    return _kind_of_text(content)


def check_not_swapped(first: Path, second: Path | None, *, kinds: tuple[Kind, Kind], right: str) -> None:
    """Refuse two files of which each is what the other must be.

    Args:
        first: One file.
        second: The other, None where it is not given.
        kinds: What they must be.
        right: The command line with both in their places.

    Raises:
        InputError: They are in each other's place.
    """
    if second is None or not (first.is_file() and second.is_file()):
        return
    found = kind_of(first), kind_of(second)
    if found == kinds[::-1] and found != kinds:
        raise InputError(
            f"{str(first)!r} must be {kinds[0].value} and {str(second)!r} {kinds[1].value}, but each is what "
            f"the other must be. Exchange them: {right}"
        )


def what_it_is(path: Path, hdf5_format: str | None = None) -> str:
    """Return what a file is, as a sentence says it: `a model file`.

    Args:
        path: The file.
        hdf5_format: What an HDF5 file says of its format, where that is known.
    """
    kind = kind_of(path)
    return _FORMATS.get(hdf5_format or "", kind.value) if kind is Kind.HDF5 else kind.value


def _kind_of_text(content: bytes) -> Kind:
    try:
        # The last letter may be cut.
        text = content.decode("utf-8", "strict" if len(content) < _LOOKED_AT else "ignore").strip()
    except UnicodeDecodeError:
        return Kind.OTHER
    if "\0" in text:
        return Kind.OTHER
    first = text.partition("\n")[0].strip()
    if text[:1] in ("{", "[") and '"' in text[:200]:
        return Kind.JSON
    if text.lower().startswith(("<!doctype html", "<html")):
        return Kind.PAGE
    if text.lower().startswith(("<svg", "<?xml")):
        return Kind.PICTURE
    if first.isdigit() and "\n" in text:
        return Kind.GEOMETRY
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    # What is indented, or closes a bracket, goes on from a line before; the last line may be cut.
    whole = lines[:1] + lines[1 : None if len(content) < _LOOKED_AT else -1]
    if lines and all(_KEY.match(line) for line in whole if line[0] not in " \t-]}"):
        return Kind.SETTINGS
    return Kind.TEXT
