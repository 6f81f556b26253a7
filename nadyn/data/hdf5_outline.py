"""What any HDF5 file says of itself: its format, attributes and arrays."""

from pathlib import Path

import h5py

from nadyn.checks.errors import InputError
from nadyn.checks.hdf5 import check_self_contained
from nadyn.checks.seal import check_seal

SIGNATURE = b"\x89HDF\r\n\x1a\n"
LONGEST_TEXT = 100


def is_h5md(content: bytes) -> bool:
    """Tell by the beginning of a file whether it is in H5MD and not one of nadyn that names such a file."""
    return content.startswith(SIGNATURE) and b"h5md" in content and b"nadyn-" not in content


def hdf5_format(path: str | Path) -> str | None:
    """Return the `format` attribute of an HDF5 file; None if the file is no HDF5 file, or has no format.

    Raises:
        InputError: The file begins as an HDF5 file, but is truncated or damaged.
    """
    with open(path, "rb") as raw:
        if raw.read(len(SIGNATURE)) != SIGNATURE:
            return None
    try:
        with h5py.File(path, "r") as file:
            check_self_contained(file, f"file {str(path)!r}")
            found = file.attrs.get("format")
    except (OSError, RuntimeError) as error:
        raise InputError(f"file {str(path)!r} must be whole, but is truncated or damaged.") from error
    return found.decode("utf-8", "replace") if isinstance(found, bytes) else found


def checksums_in_words(path: str | Path) -> str:
    """Return what a changed byte of an HDF5 file would be found by."""
    return "of everything" if check_seal(Path(path)) else "none: a changed byte may go unnoticed"


def hdf5_outline(path: str | Path) -> dict[str, str]:
    """Return the attributes of an HDF5 file and the shapes and units of its arrays, for people."""
    outline: dict[str, str] = {}

    def add(name: str, item: h5py.Dataset | h5py.Group) -> None:
        if isinstance(item, h5py.Dataset):
            shape = " x ".join(str(length) for length in item.shape)
            outline[name] = f"{shape or 'one value'} {item.attrs.get('unit', '')}".strip()

    with h5py.File(path, "r") as file:
        check_self_contained(file)
        for key, value in file.attrs.items():
            text = str(value)
            outline[key] = text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]} …"
        file.visititems(add)
    outline["checksums"] = checksums_in_words(path)
    return outline
