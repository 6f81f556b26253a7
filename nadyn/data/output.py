"""Files that appear complete or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nadyn.checks.errors import InputError


def check_output(path: Path, *, overwrite: bool) -> None:
    """Refuse an output that exists already or has no folder.

    Raises:
        InputError: The file exists and `overwrite` is False, it is a folder, or its folder does not exist.
    """
    if path.is_dir():
        raise InputError(f"output {str(path)!r} must be a file, but is a folder. Name a file in it.")
    if path.exists() and not overwrite:
        raise InputError(f"output {str(path)!r} must not exist yet, but does. Use --overwrite to replace it.")
    if not path.absolute().parent.is_dir():
        raise InputError(f"folder {str(path.parent)!r} must exist, but does not. Create it first.")


@contextmanager
def new_file(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """Give a temporary path beside `path`, and put it in the place of `path` when the block ends well.

    Raises:
        InputError: As `check_output`.
    """
    check_output(path, overwrite=overwrite)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
