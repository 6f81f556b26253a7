"""Files that appear complete or not at all, and disks and folders that take none."""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nadyn.checks.errors import InputError, RunError

# How the names of files end that are written.
DATASET = (".h5", ".hdf5")
EXTXYZ = (".xyz", ".extxyz")
JSON = (".json",)
MODEL = (".safetensors",)
PAGE = (".html", ".htm")
PICTURE = (".png", ".pdf", ".svg")
SETTINGS = (".yaml", ".yml")
TRAJECTORIES = (".h5", ".hdf5")

MAKE_ROOM = "Nothing of it was written; make room, or choose another folder."

# What a disk or a folder may say when it takes no more; anything else is a fault of the program.
_REFUSALS = frozenset(
    {
        *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM),
        # A disk of another machine that has gone.
        *(errno.ESTALE, errno.ETIMEDOUT),
    }
)


def check_output(path: Path, *inputs: Path | None, overwrite: bool) -> None:
    """Refuse an output that exists already, that is read, or whose folder does not exist or takes no files.

    Args:
        path: The output.
        inputs: Files that are read; None for one that is not given.
        overwrite: Whether it may take the place of another file.

    Raises:
        InputError: The file exists and `overwrite` is False, it is one of the inputs or a folder, or its
            folder does not exist or cannot be written to.
    """
    if path.is_dir():
        raise InputError(f"output {str(path)!r} must be a file, but is a folder. Name a file in it.")
    if path.exists() and not overwrite:
        raise InputError(f"output {str(path)!r} must not exist yet, but does. Use --overwrite to replace it.")
    check_is_no_input(path, *inputs)
    check_folder(path)


def check_suffix(path: Path, name: str, suffixes: tuple[str, ...]) -> None:
    """Refuse the name of an output that ends like a file of another kind, or like none.

    Args:
        path: The output.
        name: What it is called where it was given, such as "`--output`".
        suffixes: What its name may end in, in small letters.

    Raises:
        InputError: It ends in something else.
    """
    if path.suffix.lower() in suffixes:
        return
    known = " or ".join(part for part in (", ".join(suffixes[:-1]), suffixes[-1]) if part)
    raise InputError(f"{name} must end in {known}, but is {str(path)!r}.")


def check_folder_name(path: Path, name: str) -> None:
    """Refuse the name of a new folder that ends like a file that nadyn writes.

    Raises:
        InputError: It does, and there is no such folder yet.
    """
    if path.suffix.lower() in {*DATASET, *EXTXYZ, *JSON, *MODEL, *PAGE, *PICTURE} and not path.is_dir():
        raise InputError(f"{name} must be a folder, but {str(path)!r} ends in {path.suffix}, as a file does.")


def check_new_folder(path: Path) -> None:
    """Refuse a folder that cannot be made, or in which no file can be made.

    Raises:
        InputError: It, or what it would be in, is a file or cannot be written to.
    """
    there = next(one for one in (path.absolute(), *path.absolute().parents) if one.exists())
    if not there.is_dir():
        raise InputError(
            f"folder {str(path)!r} must be a folder, but {str(there)!r} is a file. Choose another."
        )
    check_folder(there / path.name)


def check_json(path: Path, *inputs: Path) -> None:
    """Refuse a file of numbers that would take the place of something else; an older one is replaced.

    Raises:
        InputError: As `check_output`, its name does not end in .json, or it is one of the inputs.
    """
    check_output(path, *inputs, overwrite=True)
    check_suffix(path, "`--json`", JSON)


def check_is_no_input(path: Path, *inputs: Path | None) -> None:
    """Refuse an output that is one of the files that are read, also where it may replace a file.

    Raises:
        InputError: It is one of them.
    """
    for one in inputs:
        if one is not None and path.exists() and one.exists() and path.samefile(one):
            raise InputError(
                f"output {str(path)!r} must not be a file that is read, but is {str(one)!r}. "
                "Choose another name."
            )


def check_folder(path: Path) -> None:
    """Refuse a path in whose folder no file can be made.

    Raises:
        InputError: The folder does not exist, or cannot be written to.
    """
    folder = path.absolute().parent
    if not folder.is_dir():
        raise InputError(f"folder {str(path.parent)!r} must exist, but does not. Create it first.")
    try:
        # Tried, because the bits of a folder do not tell: it may be on a disk that is read only.
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(
            f"output {str(path)!r} must be in a folder that can be written to, but {str(path.parent)!r} "
            f"cannot ({_reason(error)}). Choose another folder."
        ) from error


@contextmanager
def new_file(path: Path, *, overwrite: bool, advice: str = MAKE_ROOM) -> Iterator[Path]:
    """Give a temporary path beside `path`, and put it in the place of `path` when the block ends well.

    Args:
        path: The file.
        overwrite: Whether it may take the place of another one.
        advice: What to do where the disk refuses.

    Raises:
        InputError: As `check_output`.
        RunError: The disk is full or refuses to be written.
    """
    check_output(path, overwrite=overwrite)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with telling_why(path, advice=advice):
        try:
            yield temporary
            _sync(temporary)
            os.replace(temporary, path)
            sync_folder(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


def write_new(path: Path, content: bytes | memoryview | str, *, advice: str = MAKE_ROOM) -> None:
    """Write a whole file; it appears complete or not at all, in the place of an old one.

    Args:
        path: The file.
        content: Of it.
        advice: What to do where the disk refuses.

    Raises:
        InputError: As `check_output`.
        RunError: The disk is full or refuses to be written.
    """
    with new_file(path, overwrite=True, advice=advice) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


@contextmanager
def telling_why(path: Path, *, advice: str = MAKE_ROOM) -> Iterator[None]:
    """Turn what a disk refuses inside the block into one sentence about `path`.

    Raises:
        RunError: The disk is full or refuses to be written.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _REFUSALS:
            raise
        raise RunError(f"output {str(path)!r} cannot be written ({_reason(error)}). {advice}") from error


def sync_folder(folder: Path) -> None:
    """Return when the names in a folder are on the disk, where a system knows that."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        # Some disks sync no folder, and one may be written to that cannot be listed.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES):
            raise


def _sync(path: Path) -> None:
    """Return when the content of a file is on the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def reserve(path: Path, n_bytes: int) -> None:
    """Make sure that `n_bytes` fit on the disk of `path`, at which an empty file is left.

    Asked of the system before a library writes that many, and dies of a full disk.

    Raises:
        OSError: They do not fit.
    """
    with path.open("wb") as file:
        allocate = getattr(os, "posix_fallocate", None)
        if allocate is not None and n_bytes:
            allocate(file.fileno(), 0, n_bytes)
        file.truncate(0)


def _reason(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else str(error)
