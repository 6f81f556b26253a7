"""Normal modes from a Molden file (`[FREQ]`, `[FR-COORD]`, `[FR-NORM-COORD]`), as QM programs write them.

Geometry in bohr, frequencies in cm⁻¹.

Source: the Molden format, www.theochem.ru.nl/molden.
"""

import re
from pathlib import Path

import numpy as np

from nadyn.checks.errors import InputError
from nadyn.checks.files import check_file
from nadyn.checks.packed import beginning, whole_content
from nadyn.dynamics.initial.file_modes import FileModes, modes_of_file
from nadyn.structures import atomic_number


def is_molden(path: Path) -> bool:
    """Return whether a file is a Molden file with frequencies."""
    return beginning(path).lstrip().lower().startswith(b"[molden format]")


def read_molden_modes(path: str | Path) -> FileModes:
    """Read the vibrations of a molecule about a minimum.

    Raises:
        InputError: The file is missing or damaged, holds no frequencies, modes that are orthogonal in no way,
            or an imaginary frequency.
    """
    path = Path(path)
    where = f"Molden file {str(path)!r}"
    check_file(path, where)
    try:
        text = whole_content(path).decode("utf-8", "replace")
    except (InputError, OSError) as error:
        raise InputError(f"{where} must be readable and whole, but is not.") from error
    sections = _sections(text)
    for name in ("FREQ", "FR-COORD", "FR-NORM-COORD"):
        if name not in sections:
            raise InputError(
                f"{where} must have a section [{name}], but has none. Write one after a computation of "
                "frequencies; orbitals alone are no start."
            )
    try:
        frequencies = np.array([float(word) for word in sections["FREQ"].split()])
        rows = [line.split() for line in sections["FR-COORD"].splitlines() if line.strip()]
        numbers = np.array([atomic_number(re.sub(r"\d+$", "", row[0]).capitalize()) for row in rows])
        centre = np.array([[float(x) for x in row[1:4]] for row in rows])
        parts = re.split(
            r"^\s*vibration\s+\d+\s*$", sections["FR-NORM-COORD"], flags=re.MULTILINE | re.IGNORECASE
        )
        vectors = np.array([[float(x) for x in part.split()] for part in parts[1:]])
    except (ValueError, IndexError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{where} must hold numbers in its sections of frequencies, but does not."
        ) from error
    n_atoms = len(numbers)
    shapes = frequencies.shape, centre.shape, vectors.shape
    if n_atoms < 2 or shapes != ((len(vectors),), (n_atoms, 3), (len(vectors), 3 * n_atoms)):
        raise InputError(
            f"{where} must hold 3 displacements of each of {n_atoms} atoms for each of {len(frequencies)} "
            "frequencies, but does not: it may be cut."
        )
    return modes_of_file(frequencies, centre, vectors.reshape(-1, n_atoms, 3), numbers, where)


def _sections(text: str) -> dict[str, str]:
    parts = re.split(r"^\s*\[([^\]\n]+)\][^\n]*$", text, flags=re.MULTILINE)
    return {name.strip().upper(): body for name, body in zip(parts[1::2], parts[2::2], strict=True)}
