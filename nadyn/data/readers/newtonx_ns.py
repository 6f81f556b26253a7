"""Trajectories of Newton-X NS (version 3): folders `TRAJ*` with an H5MD file in `RESULTS`, such as `dyn.h5`.

What is read of each is said in `h5md` and `h5md_states`; the tag of a frame is its folder. A trajectory that
has no file there is left out, and said.
"""

from pathlib import Path

from nadyn.checks.errors import InputError
from nadyn.checks.packed import beginning
from nadyn.data.dataset import Dataset, with_source
from nadyn.data.hdf5_outline import is_h5md
from nadyn.data.joining import join
from nadyn.data.readers.folders import files_below, tagged, warn_of_left_out
from nadyn.data.readers.h5md import H5MD, read_h5md
from nadyn.data.readers.reader import FolderReader, ReadOptions


def read_newtonx_ns(path: str | Path, options: ReadOptions | None = None) -> Dataset:
    """Read all trajectories below a folder; groups of one molecule are joined.

    Warns (`InputWarning`) of those without a file.

    Raises:
        InputError: There is none, or one is damaged.
    """
    path, options = Path(path), options or ReadOptions()
    files = _files(path)
    if not files:
        raise InputError(f"folder {str(path)!r} must hold a `RESULTS/dyn.h5`, but holds none.")
    found = [tagged(read_h5md(file, options), _place(path, file)) for file in files]
    read = {file.parent.parent for file in files}
    empty = [folder for folder in sorted(path.glob("TRAJ*")) if folder.is_dir() and folder not in read]
    warn_of_left_out(path, empty, "`RESULTS` holds no H5MD file")
    return with_source(join(found), path.name)


def _files(path: Path) -> list[Path]:
    names = ("RESULTS/*.h5", "RESULTS/*.h5.gz")
    return [file for file in files_below(path, names) if is_h5md(beginning(file))]


def _place(path: Path, file: Path) -> str:
    folder = file.parent.parent
    return str(folder.relative_to(path)) if folder != path else path.name


NEWTONX_NS = FolderReader(
    "trajectories of Newton-X NS", lambda path: bool(_files(path)), read_newtonx_ns, H5MD.options
)
