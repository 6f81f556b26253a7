"""Files that are to be read."""

from pathlib import Path

from nadyn.checks.errors import InputError


def check_file(path: Path, name: str) -> None:
    """Refuse a path at which there is no file; the sentence begins with `name`.

    Raises:
        InputError: Nothing is there, or a folder, or something else that is no file.
    """
    if path.is_dir():
        raise InputError(f"{name} must be a file, but is a folder. Name a file in it.")
    if not path.exists():
        raise InputError(f"{name} must exist, but does not. Check the path.")
    if not path.is_file():
        raise InputError(f"{name} must be a file on disk, but is a pipe or a device. Save it first.")
