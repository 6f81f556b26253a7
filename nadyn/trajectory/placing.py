"""How a trajectory file takes its place: built beside it, and moved there in one atomic step."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nadyn.checks.errors import InputError
from nadyn.checks.output import check_folder, sync_folder, telling_why
from nadyn.trajectory.raw_file import being_written, locked, refuse_if_being_written


def check_new(path: Path, *, overwrite: bool) -> None:
    """Refuse an output that exists and may not be replaced, is being written, or is in a folder without room.

    Raises:
        InputError: One of these is so.
    """
    if path.is_dir():
        raise InputError(f"`output` must be a file, but {str(path)!r} is a folder. Name a file in it.")
    if path.exists() and overwrite:
        refuse_if_being_written(path)
    elif path.exists():
        raise InputError(
            f"`output` must be a new file, but {str(path)!r} exists. "
            "Try --resume to continue that run or --overwrite to start again."
        )
    check_folder(path)


@contextmanager
def building(
    path: Path, *, advice: str = "Make room on the disk, or choose another `output`."
) -> Iterator[Path]:
    """Give the place where a file is built; at the end of the block it takes the place of `path`.

    An error, an interrupt too, leaves nothing of it behind.

    Raises:
        InputError: Another process is building it.
        RunError: The disk is full or refuses to be written.
    """
    partial = partial_path(path)
    with telling_why(path, advice=advice), _only_builder(path):
        try:
            yield partial
            replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)


@contextmanager
def _only_builder(path: Path) -> Iterator[None]:
    """Be the one who builds a file: two at once would write into, move and remove the same one."""
    beside = path.with_name(f".{path.name}.building")
    while True:
        descriptor = os.open(beside, os.O_RDWR | os.O_CREAT, 0o666)
        if locked(descriptor) is False:
            os.close(descriptor)
            raise being_written(path)
        # Who held the lock before has removed the file, perhaps after it was opened here.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), os.stat(beside)):
                break
        os.close(descriptor)
    try:
        yield
    finally:
        beside.unlink(missing_ok=True)
        os.close(descriptor)


def remove_partial(path: Path) -> None:
    """Remove what a killed process has left beside a file, which this one has locked."""
    partial_path(path).unlink(missing_ok=True)
    path.with_name(f".{path.name}.building").unlink(missing_ok=True)


def partial_path(path: Path) -> Path:
    """Return where a file is built before it takes its place in one atomic step."""
    return path.with_name(f".{path.name}.partial")


def replace(source: Path, target: Path) -> None:
    """Move a finished file to its place; at any moment `target` is the old or the new file, entire."""
    os.replace(source, target)
    sync_folder(target.parent)
