"""What readers of folders have in common: which files are below one, and whose frames are whose."""

import re
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from nadyn.checks.counts import counted
from nadyn.checks.errors import InputWarning
from nadyn.data.dataset import Dataset

# A folder for each kind of start, one for each trajectory, one for its results.
_DEPTH = 3


def files_below(path: Path, names: Sequence[str]) -> list[Path]:
    """Return the files of such names in a folder and those below it, in the order of their paths."""
    found = []
    for depth in range(_DEPTH + 1):
        for name in names:
            found += [file for file in path.glob("/".join(["*"] * depth + [name])) if file.is_file()]
    return sorted(found, key=lambda file: _numbered(str(file)))


def _numbered(text: str) -> list[object]:
    """TRAJ_10 comes after TRAJ_9, whether or not the numbers are filled up with zeros."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", text)]


def place_of(path: Path, file: Path) -> str:
    """Return the folder of a file as seen from another, which is what its frames are tagged with."""
    return str(file.parent.relative_to(path)) if file.parent != path else path.name


def tagged(dataset: Dataset, word: str) -> Dataset:
    """Return the dataset with one tag for all its frames."""
    return Dataset(tuple(replace(group, tag=(word,) * group.n_frames) for group in dataset.groups))


def warn_of_left_out(path: Path, folders: Sequence[Path], why: str) -> None:
    """Warn (`InputWarning`) of folders that are not read, if there are any."""
    if folders:
        names = ", ".join(folder.name for folder in folders[:8]) + (", …" if len(folders) > 8 else "")
        warnings.warn(
            f"folder {str(path)!r}: {counted(len(folders), 'folder')} left out because {why}: {names}.",
            InputWarning,
            stacklevel=3,
        )
