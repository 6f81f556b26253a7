"""Normal modes from the printed output of a QM program, which cclib reads (extra `outputs`).

The last geometry that is printed is taken; that it belongs to the modes is seen from them.

Source: N. M. O'Boyle, A. L. Tenderholt and K. M. Langner, J. Comput. Chem. 29, 839 (2008).
"""

import io
import logging
from pathlib import Path

import numpy as np

from nadyn.checks.errors import InputError
from nadyn.checks.files import check_file
from nadyn.checks.packed import beginning, whole_content
from nadyn.dynamics.initial.file_modes import FileModes, modes_of_file
from nadyn.units import BOHR_PER_ANGSTROM

# What the programs print near the top, in lower case.
_SIGNATURES = {
    "ADF": b"amsterdam density functional",
    "GAMESS": b"gamess version",
    "Gaussian": b"gaussian, inc.",
    "Jaguar": b"jaguar version",
    "MOLCAS": b"this run of molcas",
    "Molpro": b"program system molpro",
    "NWChem": b"northwest computational chemistry package",
    "ORCA": b"o   r   c   a",
    "Psi4": b"psi4: an open-source ab initio",
    "Q-Chem": b"a quantum leap into the future of chemistry",
    "Turbomole": b"turbomole v",
}

# How a parser fails at text that was cut or comes from another version.
_FAILURES = (
    *(ArithmeticError, AssertionError, AttributeError, LookupError, NameError, RuntimeError),
    *(StopIteration, TypeError, ValueError),
)
_NEEDED = ("vibfreqs", "vibdisps", "atomcoords", "atomnos")


def program_of(path: Path) -> str | None:
    """Return the program whose printed output a file is; None for anything else."""
    text = beginning(path).lower()
    return next((name for name, signature in _SIGNATURES.items() if signature in text), None)


def read_output_modes(path: str | Path) -> FileModes:
    """Read the vibrations of a molecule about a minimum.

    Raises:
        InputError: The file is missing or damaged, cclib is missing or cannot read it, it holds no
            frequencies, its modes do not belong to its geometry or are orthogonal in no way, or one is
            imaginary.
    """
    path = Path(path)
    where = f"output {str(path)!r}"
    check_file(path, where)
    try:
        import cclib.io
    except ImportError as error:
        raise InputError(
            f"{where} must be read by cclib, which is not installed. Try "
            '`pip install "nadyn[outputs]"`, or a Molden file of the same program.'
        ) from error
    text = whole_content(path).decode("utf-8", "replace")
    try:
        found = cclib.io.ccopen(io.StringIO(text), loglevel=logging.CRITICAL)
        data = None if found is None else found.parse()
    except _FAILURES as error:
        raise InputError(
            f"{where} must be one that cclib can read, but it fails ({type(error).__name__}). Try a Molden "
            "file of the same program."
        ) from error
    lacking = [name for name in _NEEDED if not hasattr(data, name)]
    if lacking:
        raise InputError(
            f"{where} must hold frequencies, displacements and a geometry, but cclib finds no "
            f"{', '.join(lacking)} in it. Is it that of a computation of frequencies, and whole?"
        )
    frequencies, displacements = np.array(data.vibfreqs, float), np.array(data.vibdisps, float)
    centre, numbers = np.array(data.atomcoords[-1], float) * BOHR_PER_ANGSTROM, np.array(data.atomnos, int)
    if len(numbers) < 2 or displacements.shape != (len(frequencies), *centre.shape):
        raise InputError(
            f"{where} must hold 3 displacements of each of {len(numbers)} atoms for each of "
            f"{len(frequencies)} frequencies, but does not: it may be cut."
        )
    return modes_of_file(frequencies, centre, displacements, numbers, where)
