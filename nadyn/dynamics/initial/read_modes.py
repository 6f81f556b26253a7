"""Files of normal modes, each by its own reader."""

from pathlib import Path

from nadyn.dynamics.initial.file_modes import FileModes
from nadyn.dynamics.initial.frequency_output import program_of, read_output_modes
from nadyn.dynamics.initial.molden import is_molden, read_molden_modes


def holds_modes(path: Path) -> bool:
    """Return whether a file is one that `read_modes` reads: a Molden file or the output of a program."""
    return is_molden(path) or program_of(path) is not None


def read_modes(path: Path) -> FileModes:
    """Read the vibrations of a molecule from a Molden file or the output of a program.

    Raises:
        InputError: See `read_molden_modes` and `read_output_modes`.
    """
    found = None if is_molden(path) else program_of(path)
    return read_molden_modes(path) if found is None else read_output_modes(path)
