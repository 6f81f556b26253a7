"""Geometries: formulas, and reading a start geometry from an .xyz file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from nadyn.checks.counts import counted
from nadyn.checks.errors import InputError
from nadyn.checks.files import check_file
from nadyn.structures.distances import pair_distances
from nadyn.structures.elements import atom_of, isotope_symbol, symbol
from nadyn.units import ANGSTROM_PER_BOHR, BOHR_PER_ANGSTROM

# No chemistry happens below; an H2 molecule compressed by 10 eV is still longer.
COINCIDENT_ATOMS_BOHR = 0.25 * BOHR_PER_ANGSTROM

# Non-metals in the order in which a formula without carbon names them.
_INORGANIC = ("Rn", "Xe", "Kr", "Ar", "Ne", "He", "B", "Si", "Sb", "As", "P", "N", "H", "Te", "Se", "S")
_INORGANIC += ("At", "I", "Br", "Cl", "O", "F")


@dataclass(frozen=True)
class Structure:
    """One geometry of a molecule.

    Attributes:
        atomic_numbers: One number an atom.
        positions: Nuclear positions [bohr].
        isotopes: Mass number of the atoms that the file names as isotopes, by number from 0.
    """

    atomic_numbers: Int[np.ndarray, "atom"]
    positions: Float[np.ndarray, "atom 3"]
    isotopes: Mapping[int, int] = field(default_factory=dict)


def formula(
    atomic_numbers: Sequence[int] | Int[np.ndarray, "atom"],
    masses: Sequence[float] | Float[np.ndarray, "atom"] | None = None,
) -> str:
    """Return the chemical formula: C, H, then the others by alphabet (Hill); without carbon, as NH3 and H2O.

    Without carbon the elements stand in the order of N. G. Connelly, T. Damhus, R. M. Hartshorn and A. T.
    Hutton, Nomenclature of Inorganic Chemistry (RSC, 2005), IR-4.4.2.2, metals first and by alphabet. With
    masses, isotopes other than the most abundant one stand behind it: NH2D, [13]CH4.

    Args:
        atomic_numbers: One number an atom.
        masses: Mass of each atom [electron mass]; those of the most abundant isotopes if None.
    """
    elements = [symbol(int(number)) for number in atomic_numbers]
    symbols = elements
    if masses is not None:
        pairs = zip(atomic_numbers, masses, strict=True)
        symbols = [isotope_symbol(int(number), float(mass)) for number, mass in pairs]
    names = sorted(set(zip(elements, symbols, strict=True)), key=lambda name: (name[0] != name[1], name[1]))
    if "C" in elements:
        names.sort(key=lambda name: ({"C": 0, "H": 1}.get(name[0], 2), name[0]))
    else:
        names.sort(key=lambda name: (_INORGANIC.index(name[0]) if name[0] in _INORGANIC else -1, name[0]))
    counts = [(name, symbols.count(name)) for _, name in names]
    return "".join(name + (str(count) if count > 1 else "") for name, count in counts)


def read_xyz(path: str | Path) -> Structure:
    """Read one geometry from a plain .xyz file: number of atoms, a comment, then `symbol x y z` in ångström.

    Columns after the third coordinate are ignored; an atomic number may stand for the symbol, and D and T are
    the isotopes of hydrogen.

    Raises:
        InputError: The file is missing, holds no or several geometries, ends early, has a line that cannot be
            read, an unknown element, or two atoms in one place.
    """
    path = Path(path)
    where = f"geometry {str(path)!r}"
    check_file(path, where)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{where} must be a text file in .xyz format, but is not text.") from error
    count = lines[0].strip() if lines else ""
    if not count.isdecimal() or int(count) == 0:
        raise InputError(f"{where} must begin with the number of atoms, but begins with {count[:40]!r}.")
    n_atoms = int(count)
    atoms = lines[2 : 2 + n_atoms]
    if len(atoms) < n_atoms:
        raise InputError(f"{where} must hold {counted(n_atoms, 'atom')}, but ends after {len(atoms)}.")
    if any(line.strip() for line in lines[2 + n_atoms :]):
        raise InputError(
            f"{where} must hold one geometry of {counted(n_atoms, 'atom')}, but goes on. Keep one."
        )
    rows = [_read_atom(line, f"{where}, line {number}") for number, line in enumerate(atoms, start=3)]
    positions = np.array([row[1] for row in rows]) * BOHR_PER_ANGSTROM
    isotopes = {atom: row[2] for atom, row in enumerate(rows) if row[2] is not None}
    structure = Structure(np.array([row[0] for row in rows], dtype=np.int64), positions, isotopes)
    check_apart(positions, where)
    return structure


def check_apart(positions: Float[np.ndarray, "atom 3"], where: str) -> None:
    """Refuse atoms in one place; the sentence begins with `where`.

    Raises:
        InputError: Two atoms are closer than any chemistry happens.
    """
    distances = pair_distances(positions) if len(positions) > 1 else np.array([np.inf])
    if distances.min() < COINCIDENT_ATOMS_BOHR:
        pair = int(np.argmin(distances))
        first, second = (int(index[pair]) for index in np.triu_indices(len(positions), k=1))
        raise InputError(
            f"{where} must keep its atoms apart, but {first} and {second} are "
            f"{distances[pair] * ANGSTROM_PER_BOHR:.3f} angstrom apart."
        )


def _read_atom(line: str, where: str) -> tuple[int, list[float], int | None]:
    fields = line.split()
    try:
        coordinates = [float(field) for field in fields[1:4]]
    except ValueError:
        coordinates = []
    if len(coordinates) < 3 or not np.isfinite(coordinates).all():
        raise InputError(f"{where} must read `symbol x y z`, but reads {line[:60]!r}.")
    name = fields[0]
    try:
        number, isotope = atom_of(symbol(int(name)) if name.isdecimal() else name)
        return number, coordinates, isotope
    except InputError:
        raise InputError(f"{where} must begin with an element, but {name!r} is none.") from None
