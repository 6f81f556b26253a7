"""Files that may be packed by gzip, read as if they were not."""

import gzip
import io
import zlib
from pathlib import Path

from nadyn.checks.errors import InputError
from nadyn.checks.unpacked import check_unpacked, most_unpacked

_GZIP = b"\x1f\x8b"
_LOOKED_AT = 65536


def is_packed(path: Path) -> bool:
    """Return whether a file is packed by gzip."""
    with path.open("rb") as raw:
        return raw.read(len(_GZIP)) == _GZIP


def beginning(path: Path) -> bytes:
    """Return the first bytes of a file, unpacked if it is gzip.

    Raises:
        InputError: It cannot be unpacked.
    """
    try:
        with gzip.open(path, "rb") if is_packed(path) else path.open("rb") as file:
            return file.read(_LOOKED_AT)
    except (EOFError, gzip.BadGzipFile, zlib.error, OSError) as error:
        raise InputError(f"file {str(path)!r} must be whole, but cannot be unpacked.") from error


def whole_content(path: Path) -> bytes:
    """Return all bytes of a file, unpacked if it is gzip.

    Raises:
        InputError: It cannot be unpacked, or becomes larger than any file should.
    """
    try:
        with gzip.open(path, "rb") if is_packed(path) else path.open("rb") as file:
            size = path.stat().st_size
            content = file.read(most_unpacked(size) + 1 if is_packed(path) else -1)
            check_unpacked(len(content), size, "the file")
            return content
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError("the file must be whole, but cannot be unpacked.") from error


def for_library(path: Path) -> Path | io.BytesIO:
    """Return what a library opens: the path, or the unpacked content in memory if the file is gzip.

    Raises:
        InputError: It cannot be unpacked.
    """
    return io.BytesIO(whole_content(path)) if is_packed(path) else path


def whole_text(path: Path) -> str:
    """Return the text of a file, unpacked if it is gzip.

    Raises:
        InputError: It is no text, or cannot be unpacked.
    """
    content = whole_content(path)
    try:
        # Line ends of Windows become those of everybody else.
        return content.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise InputError("the file must be text, but is not.") from error
