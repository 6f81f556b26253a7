"""One labelled geometry in an extended xyz file, as a script writes it: states in the order of the file."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import ase.io
import numpy as np
from jaxtyping import Float

from nadyn.checks.errors import InputError
from nadyn.checks.packed import whole_text
from nadyn.data.readers.extxyz import UNREADABLE, why_unreadable
from nadyn.data.readers.extxyz_labels import Keys, labels_of
from nadyn.data.readers.extxyz_text import FrameNotes, prepared
from nadyn.data.readers.extxyz_unread import UnreadLabels
from nadyn.data.validation import located
from nadyn.units import to_atomic_units


@dataclass(frozen=True)
class OneFrame:
    """A geometry and its labels, in atomic units.

    Attributes:
        atomic_numbers: One number an atom.
        positions: [bohr].
        labels: `energies`, and `forces` and `interstate_couplings` or None, as in a group without frames.
    """

    atomic_numbers: tuple[int, ...]
    positions: Float[np.ndarray, "atom 3"]
    labels: Mapping[str, np.ndarray | None]


def read_one_frame(path: Path) -> OneFrame | None:
    """Read a file of one frame with the names of `readers.extxyz`; None where it has no end yet.

    The end is that of the line of the last atom.

    Raises:
        InputError: The file holds several frames, cannot be read, or has no energies.
    """
    with located(f"extended xyz file {str(path)!r}"):
        raw = whole_text(path)
        lines = raw.splitlines()
        count = lines[0].strip() if lines else ""
        if not raw or (count.isdecimal() and (len(lines) < int(count) + 2 or not raw.endswith("\n"))):
            return None
        text, notes = prepared(raw)
        try:
            frames = ase.io.read(io.StringIO(text), index=":", format="extxyz")
        except UNREADABLE as error:
            raise InputError(f"the file must be readable, but is not: {why_unreadable(error)}.") from error
        if len(frames) != 1:
            raise InputError(f"the file must hold one frame, but holds {len(frames)}.")
        atoms = frames[0]
        unread = UnreadLabels()
        unread.look_at(atoms, notes[0] if notes else FrameNotes())
        unread.warn()
        positions = atoms.positions * to_atomic_units("angstrom", "length")
        return OneFrame(tuple(atoms.numbers.tolist()), positions, labels_of(atoms, Keys()))
