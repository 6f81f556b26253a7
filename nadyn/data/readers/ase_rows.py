"""Rows of an ASE database with their data decoded, and the units that its metadata say."""

import sqlite3
import tempfile
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import ase
import ase.db
import numpy as np
from ase.db.row import AtomsRow

from nadyn.checks.damaged import DAMAGED
from nadyn.checks.errors import InputError
from nadyn.checks.packed import whole_content
from nadyn.data.readers.reader import ReadOptions, to_atomic

# Sums of the charges of atoms are not quite whole.
_ROUNDING = 1e-3
# Label -> name among the data of a row.
KEYS = {"energies": "energy", "forces": "forces"}
_DAMAGED = (*DAMAGED, AssertionError, sqlite3.Error)


@dataclass(frozen=True)
class Row:
    """A row of a database with its data decoded."""

    row: AtomsRow
    data: dict[str, object]
    atoms: ase.Atoms

    def __getattr__(self, name: str) -> object:
        return getattr(self.row, name)

    def toatoms(self) -> ase.Atoms:
        return self.atoms


def content_of(path: Path) -> tuple[dict[str, object], list[Row]]:
    """Return metadata and rows, all of which are decoded here, where a damaged file is refused.

    Raises:
        InputError: The file is damaged.
    """
    with tempfile.TemporaryDirectory() as folder:
        # SQLite wants a file of its own, which is not packed, and may write beside it.
        copy = Path(folder) / "rows.db"
        copy.write_bytes(whole_content(path))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ResourceWarning)
                _check_tables(copy)
                with ase.db.connect(str(copy), type="db") as database:
                    metadata, found = database.metadata, list(database.select())
                if not isinstance(metadata, dict):
                    raise ValueError("the metadata are no mapping")
                return dict(metadata), [Row(row, dict(row.data), row.toatoms()) for row in found]
        except InputError:
            raise
        except _DAMAGED as error:
            raise InputError("the file must be whole, but cannot be read.") from error


def _check_tables(path: Path) -> None:
    """Refuse what is computed when it is read: a view may go on for ever."""
    connection = sqlite3.connect(path)
    try:
        found = connection.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
    finally:
        connection.close()
    for kind, name, made in found:
        if kind not in ("table", "index") or "virtual" in str(made).lower().split()[:2]:
            raise InputError(
                f"the file must hold tables only, but {name!r} is a {kind}. Write the rows anew."
            )


def renamed(row: Row, own: dict[str, str]) -> Row:
    """Return a row with its own names of labels turned into the usual ones.

    Raises:
        InputError: It has none of that name.
    """
    data = dict(row.data)
    for key, label in own.items():
        if key not in data:
            there = ", ".join(sorted(row.data)) or "none"
            raise InputError(
                f"`--key` must name data of each row, but one has no {key!r}. There are: {there}."
            )
        data[KEYS[label]] = data.pop(key)
    return replace(row, data=data)


@dataclass(frozen=True)
class Units:
    """Factors to atomic units."""

    length: float
    energy: float
    force: float

    @staticmethod
    def of(metadata: dict[str, object], options: ReadOptions) -> "Units":
        """Return what the metadata say, or else the user.

        Raises:
            InputError: Nobody says a unit, or the two differ.
        """
        unit = metadata.get("_distance_unit")
        if unit is None and "positions" not in options.units:
            raise InputError(
                "the metadata must say the unit of positions in `_distance_unit`, but do not. Give it as in "
                "`--unit positions=bohr`, or set it: `with ase.db.connect(FILE) as db: db.metadata = "
                "{**db.metadata, '_distance_unit': 'Bohr'}`."
            )
        said = metadata.get("_property_unit_dict")
        said = said if isinstance(said, dict) else {}
        # SchNarc has no units of energies, and atomic ones.
        of_schnarc = "1" if "n_singlets" in metadata or "states" in metadata else None
        names = {label: options.key_of(label) or KEYS[label] for label in KEYS}
        known = {
            label: str(unit_of)
            for label, name in names.items()
            if (unit_of := said.get(name, None if label in options.units else of_schnarc)) is not None
        }
        length = to_atomic("positions", options, None if unit is None else str(unit), "length")
        energy = to_atomic("energies", options, known.get("energies"), "energy")
        force = energy / length
        if "forces" in known or "forces" in options.units:
            force = to_atomic("forces", options, known.get("forces"), "force")
        return Units(length, energy, force)


def charge_of(rows: list[Row], metadata: dict[str, object]) -> int | None:
    """Return the charge that the rows or the metadata say, or the sum of initial charges; None if nothing.

    Raises:
        InputError: Rows differ, or it is no whole number.
    """
    found = {value for row in rows if (value := _charge_of(row)) is not None}
    if not found and metadata.get("charge") is not None:
        found = {_number(metadata["charge"])}
    if len(found) > 1:
        raise InputError(f"`charge` must be the same in all rows of a molecule, but is {sorted(found)}.")
    charge = found.pop() if found else None
    if charge is None or abs(charge - round(charge)) < _ROUNDING:
        return None if charge is None else round(charge)
    raise InputError(f"`charge` must be a whole number, but is {charge}.")


def _charge_of(row: object) -> float | None:
    for named in (row.data, row.key_value_pairs):
        if "charge" in named:
            return _number(named["charge"])
    charges = row.get("initial_charges")
    return None if charges is None or not np.any(charges) else round(float(np.sum(charges)), 6)


def _number(value: object) -> float:
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise InputError(f"`charge` must be a whole number, but is {value!r}.") from error
