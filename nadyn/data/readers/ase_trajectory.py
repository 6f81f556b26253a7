"""Trajectories of ASE (`.traj`): frames with an energy, forces and stress, in eV and ångström.

Names are those of extended xyz (`readers.extxyz`): energies and forces that a calculator left, or several
states in `info` and `arrays`. Frames without an energy are refused. The file is opened by ASE's own reader of
arrays and JSON, which runs no code.
"""

import io
import warnings
from collections.abc import Iterator
from pathlib import Path

import ase
import ase.io
from ase.io import ulm
from ase.io.trajectory import TrajectoryReader

from nadyn.checks.damaged import DAMAGED
from nadyn.checks.errors import InputError
from nadyn.checks.files import check_file
from nadyn.checks.packed import whole_content
from nadyn.data.dataset import Dataset, with_source
from nadyn.data.readers.ase_frames import dataset_of_frames
from nadyn.data.readers.extxyz_labels import OPTIONS, Keys
from nadyn.data.readers.extxyz_text import FrameNotes
from nadyn.data.readers.reader import Reader, ReadOptions
from nadyn.data.validation import located

_DAMAGED = (*DAMAGED, AssertionError, ulm.InvalidULMFileError)


def read_ase_trajectory(path: str | Path, options: ReadOptions | None = None) -> Dataset:
    """Read a trajectory of ASE; the module says what of it.

    Raises:
        InputError: The file is missing or damaged, a frame has no energy, or what `group_from_arrays`
            refuses.
    """
    path, options = Path(path), options or ReadOptions()
    with located(f"ASE trajectory {str(path)!r}"):
        check_file(path, "the file")
        dataset = dataset_of_frames(_frames(path), Keys.of(options), options.multiplicities)
    return with_source(dataset, path.name)


def _frames(path: Path) -> Iterator[tuple[ase.Atoms, FrameNotes]]:
    number = 0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with TrajectoryReader(io.BytesIO(whole_content(path))) as file:
                n_frames = len(file)
                for number in range(n_frames):
                    yield file[number], FrameNotes()
    except _DAMAGED as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"frame {number} must be readable, but is not: the file is damaged or cut."
        ) from error


def _recognises(content: bytes) -> bool:
    return content.startswith(b"- of UlmASE-Trajectory")


ASE_TRAJECTORY = Reader("trajectory of ASE (traj)", _recognises, read_ase_trajectory, OPTIONS)
