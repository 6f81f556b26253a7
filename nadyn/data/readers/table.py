"""All formats that can be read: one line a format, which lives in a file of its own.

A file is known by its content, whatever it is called.
"""

from pathlib import Path

from nadyn.checks.counts import with_article
from nadyn.checks.errors import InputError
from nadyn.checks.files import check_file
from nadyn.checks.kinds import what_it_is
from nadyn.checks.packed import beginning
from nadyn.data.assumptions import with_charge
from nadyn.data.dataset import Dataset
from nadyn.data.readers.ase_database import ASE_DATABASE
from nadyn.data.readers.ase_trajectory import ASE_TRAJECTORY
from nadyn.data.readers.extxyz import EXTXYZ
from nadyn.data.readers.h5md import H5MD
from nadyn.data.readers.mlatom import MLATOM
from nadyn.data.readers.nadyn_dataset import NADYN_DATASET
from nadyn.data.readers.newtonx import NEWTONX, NEWTONX_TRAJECTORIES
from nadyn.data.readers.newtonx_ns import NEWTONX_NS
from nadyn.data.readers.npz import NPZ
from nadyn.data.readers.pyrai2md import PYRAI2MD
from nadyn.data.readers.reader import FolderReader, Reader, ReadOptions
from nadyn.data.readers.sharc_points import SHARC_POINT, SHARC_POINTS
from nadyn.data.readers.sharc_trajectory import SHARC_TRAJECTORIES, SHARC_TRAJECTORY
from nadyn.data.validation import located

READERS: tuple[Reader, ...] = (
    NADYN_DATASET,
    H5MD,
    ASE_DATABASE,
    ASE_TRAJECTORY,
    NPZ,
    PYRAI2MD,
    MLATOM,
    SHARC_TRAJECTORY,
    SHARC_POINT,
    NEWTONX,
    EXTXYZ,
)


# What is known and is no data: a part of its beginning, and what to do with it.
_NO_DATA = (
    (b"\nepsilon\n", "a template of a vibronic model of SHARC. Run it: `model: {name: lvc, file: FILE}`."),
    (b"Mass-weighted normal modes", "the potential of a vibronic model of SHARC, which its template names."),
    (b"[Molden Format]", "a Molden file. `nadyn sample FILE` draws starts from its vibrations."),
    (b"SHARC Initial conditions file", "a file of starts. `nadyn convert FILE initial.h5` reads them."),
    (b"Velocity in NX input format", "a file of starts. `nadyn convert FILE initial.h5` reads them."),
)

FOLDERS: tuple[FolderReader, ...] = (SHARC_TRAJECTORIES, SHARC_POINTS, NEWTONX_TRAJECTORIES, NEWTONX_NS)


def find_reader(path: Path) -> Reader | FolderReader | None:
    """Return the reader that recognises a file or a folder; None if there is none.

    Raises:
        InputError: There is nothing.
    """
    if path.is_dir():
        return next((reader for reader in FOLDERS if reader.recognises(path)), None)
    check_file(path, f"file {str(path)!r}")
    content = beginning(path)
    return next((reader for reader in READERS if reader.recognises(content)), None)


def read_file(path: str | Path, options: ReadOptions | None = None) -> Dataset:
    """Read a file, or a folder, of any known format, in atomic units.

    Args:
        path: The file; it may be packed by gzip.
        options: What to say about it.

    Raises:
        InputError: No reader recognises the file, the one that does has no use for an option, or what that
            reader refuses.
    """
    path, options = Path(path), options or ReadOptions()
    reader = find_reader(path)
    if reader is None and path.is_dir():
        raise InputError(
            f"folder {str(path)!r} must be one of {', '.join(reader.name for reader in FOLDERS)}, but "
            "holds no file of one. Name a file, or the folder that holds the trajectories."
        )
    if reader is None:
        check_holds_geometries(path)
        raise InputError(
            f"file {str(path)!r} must be one of {', '.join(reader.name for reader in READERS)}, but is "
            f"{what_it_is(path)}. For other programs see the page `Data of other programs` of the "
            "documentation."
        )
    for name in sorted(options.given() - reader.options - {"charge"}):
        option = {"keys": "key", "units": "unit"}.get(name, name.replace("_", "-"))
        raise InputError(
            f"`--{option}` must be left out for {with_article(reader.name)}, but is given. Remove it."
        )
    dataset = reader.read(path, options)
    with located(f"file {str(path)!r}"):
        return with_charge(dataset, options.charge)


def check_holds_geometries(path: Path) -> None:
    """Refuse a file of another program that is known to hold none.

    Raises:
        InputError: It says what the file is, and what to do with it.
    """
    content = beginning(path)
    for part, what in _NO_DATA:
        if part in content:
            raise InputError(f"file {str(path)!r} must hold labelled geometries, but is {what}")
