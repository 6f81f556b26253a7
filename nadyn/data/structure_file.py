"""One structure to start from, with its cell: any file that ASE reads."""

from dataclasses import dataclass
from pathlib import Path

import ase
import ase.io
import numpy as np
from ase import units
from jaxtyping import Float

from nadyn.checks.errors import InputError
from nadyn.checks.files import check_file
from nadyn.checks.packed import whole_text
from nadyn.data.readers.extxyz_text import prepared
from nadyn.data.validation import located
from nadyn.units import ANGSTROM_PER_BOHR, AU_PER_FEMTOSECOND, BOHR_PER_ANGSTROM

# What the readers of ASE raise where a file is not what it seems.
NOT_READ = (
    *(OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, AssertionError, RuntimeError),
    *(StopIteration, ArithmeticError, ImportError, SyntaxError, EOFError),
    ase.io.formats.UnknownFileTypeError,
)


@dataclass(frozen=True)
class StartStructure:
    """Atoms in a cell, or without one.

    Attributes:
        atomic_numbers: One number an atom.
        positions: [bohr].
        cell: Cell vectors as rows [bohr]; None where no direction is periodic.
        pbc: Which directions are periodic.
        velocities: [bohr/au of time]; None where the file has none.
    """

    atomic_numbers: tuple[int, ...]
    positions: Float[np.ndarray, "atom 3"]
    cell: Float[np.ndarray, "3 3"] | None
    pbc: tuple[bool, bool, bool]
    velocities: Float[np.ndarray, "atom 3"] | None


def read_structure(path: str | Path, *, repeat: tuple[int, int, int] = (1, 1, 1)) -> StartStructure:
    """Read the last structure of a file.

    Args:
        path: Extended xyz, CIF, POSCAR, or what else ASE reads.
        repeat: Copies along each cell vector.

    Raises:
        InputError: There is no such file, ASE cannot read it, or copies are asked for without a cell.
    """
    where = f"structure {str(path)!r}"
    check_file(Path(path), where)
    if Path(path).suffix in (".xyz", ".extxyz"):
        with located(where):
            prepared(whole_text(Path(path)))
    try:
        atoms = ase.io.read(path, index=-1)
    except NOT_READ as error:
        raise InputError(
            f"{where} must be a file that ASE can read, but is not: {str(error) or type(error).__name__}."
        ) from error
    periodic = tuple(bool(one) for one in atoms.pbc)
    if any(n > 1 and not one for n, one in zip(repeat, periodic, strict=True)):
        raise InputError(
            f"`initial.repeat` must be 1 where {where} is not periodic, but is {list(repeat)} with `pbc` "
            f"{list(periodic)}."
        )
    atoms = atoms * repeat
    velocities = None
    if atoms.has("momenta"):
        velocities = atoms.get_velocities() * (units.fs * BOHR_PER_ANGSTROM / AU_PER_FEMTOSECOND)
    return StartStructure(
        tuple(int(number) for number in atoms.numbers),
        atoms.positions * BOHR_PER_ANGSTROM,
        np.array(atoms.cell) * BOHR_PER_ANGSTROM if any(periodic) else None,
        periodic,
        velocities,
    )


def write_structure(path: str | Path, structure: StartStructure) -> None:
    """Write atoms and cell as extended xyz, in ångström; velocities are left out."""
    atoms = ase.Atoms(
        numbers=structure.atomic_numbers,
        positions=structure.positions * ANGSTROM_PER_BOHR,
        cell=None if structure.cell is None else structure.cell * ANGSTROM_PER_BOHR,
        pbc=structure.pbc,
    )
    ase.io.write(path, atoms, format="extxyz")
