"""Geometries without labels: the frames of an .xyz file, plain or extended."""

from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import ase
import ase.io
import numpy as np
from jaxtyping import Float

from nadyn.checks.errors import InputError
from nadyn.checks.files import check_file
from nadyn.checks.packed import whole_text
from nadyn.data.readers.extxyz import UNREADABLE, why_unreadable
from nadyn.data.readers.extxyz_text import prepared
from nadyn.data.validation import located
from nadyn.units import to_atomic_units


def read_xyz_frames(path: str | Path) -> tuple[tuple[int, ...], Float[np.ndarray, "frame atom 3"]]:
    """Return the atoms and the positions [bohr] of all frames of one molecule; labels are not looked at.

    Raises:
        InputError: The file is missing or cannot be read, is empty, or its frames differ in their atoms.
    """
    path = Path(path)
    with located(f"geometries {str(path)!r}"):
        check_file(path, "the file")
        text, _ = prepared(whole_text(path))
        frames = list(_frames(text))
        if not frames:
            raise InputError("the file must hold a geometry, but holds none.")
        numbers = tuple(frames[0].numbers.tolist())
        for frame, atoms in enumerate(frames):
            if tuple(atoms.numbers.tolist()) != numbers:
                raise InputError(
                    f"all frames must have the same atoms in the same order, but frame {frame} has others "
                    "than frame 0. Make a file of each molecule."
                )
            if not np.isfinite(atoms.positions).all():
                raise InputError(f"positions must be finite, but those of frame {frame} are not.")
        positions = np.stack([atoms.positions for atoms in frames]) * to_atomic_units("angstrom", "length")
    return numbers, positions


def _frames(text: str) -> Iterator[ase.Atoms]:
    try:
        yield from ase.io.iread(StringIO(text), index=":", format="extxyz")
    except UNREADABLE as error:
        raise InputError(f"every frame must be readable, but one is not: {why_unreadable(error)}.") from error
