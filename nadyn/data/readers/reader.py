"""What the table of readers holds of each one, and how files are looked into."""

import gzip
from collections.abc import Callable, Container
from dataclasses import dataclass, fields
from pathlib import Path

from nadyn.checks.errors import InputError
from nadyn.data.dataset import Dataset

_GZIP = b"\x1f\x8b"
_LOOKED_AT = 65536


@dataclass(frozen=True)
class ReadOptions:
    """What a user may have to say about a file; each reader names those that it understands.

    Attributes:
        energy_key: Name under which the energies stand.
        forces_key: Name under which the forces stand.
        multiplicities: 2S + 1 of each state, where the file does not say it.
        charge: Total charge [e], where the file does not say it; `read_file` sees to it for all readers.
    """

    energy_key: str | None = None
    forces_key: str | None = None
    multiplicities: tuple[int, ...] | None = None
    charge: int | None = None

    def given(self) -> set[str]:
        """Return the names of the options that are given."""
        return {field.name for field in fields(self) if getattr(self, field.name) is not None}


@dataclass(frozen=True)
class Reader:
    """One format that becomes a dataset.

    Attributes:
        name: What people call a file of it.
        recognises: Tells by the beginning of the content, unpacked, whether a file is one.
        read: Reads a whole file.
        options: Fields of `ReadOptions` that it understands.
    """

    name: str
    recognises: Callable[[bytes], bool]
    read: Callable[[Path, ReadOptions], Dataset]
    options: frozenset[str] = frozenset()


def beginning(path: Path) -> bytes:
    """Return the first bytes of a file, unpacked if it is gzip."""
    with path.open("rb") as raw:
        packed = raw.read(len(_GZIP)) == _GZIP
    try:
        with gzip.open(path, "rb") if packed else path.open("rb") as file:
            return file.read(_LOOKED_AT)
    except (EOFError, gzip.BadGzipFile, OSError) as error:
        raise InputError(f"file {str(path)!r} must be whole, but cannot be unpacked.") from error


def whole_text(path: Path) -> str:
    """Return the text of a file, unpacked if it is gzip.

    Raises:
        InputError: It is no text, or cannot be unpacked.
    """
    with path.open("rb") as raw:
        packed = raw.read(len(_GZIP)) == _GZIP
    try:
        with gzip.open(path, "rb") if packed else path.open("rb") as file:
            content = file.read()
    except (EOFError, gzip.BadGzipFile) as error:
        raise InputError("the file must be whole, but cannot be unpacked.") from error
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError("the file must be text, but is not.") from error


def in_words(multiplicities: tuple[int, ...]) -> str:
    """Return multiplicities as `--multiplicities` takes them."""
    return " ".join(map(str, multiplicities))


def unused_name(base: str, taken: Container[str]) -> str:
    """Return a name for a group: `base`, or with a number from 2 on where that is taken."""
    name, count = base, 1
    while name in taken:
        count += 1
        name = f"{base}_{count}"
    return name
