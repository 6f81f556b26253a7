"""Extended xyz files with one or several electronic states, read into datasets.

Units are those of ASE: eV and ångström, stress in eV/ångström³ with ASE's sign. What is read of a frame:

- energy of one state: `REF_energy` or `energy`, the first that is there; of several: `energies` with one
  number a state, or `energy_0`, `energy_1`, ….
- forces of one state: `REF_forces`, `forces` or `force`, the first that is there; of several: `forces_0`,
  `forces_1`, … (a state without is NaN), or `forces` with 3 n_states columns, state after state.
- couplings: `interstate_couplings_0_1`, …, which are h_kl in eV/ångström, 3 columns.
- cell: `Lattice` and `pbc`; for one state `stress` (9 numbers), or `virial` = -volume · stress.
- `charge`, and `multiplicities` with one number a state.
- `nadyn_weight` and `nadyn_tag`: how much the frame counts in a training, and a word on it.
- masses in u: the column `masses`; the symbols D and T are hydrogen with the mass of the isotope.

The names of energies and forces may be chosen otherwise. Labels that stand there under a name that is not
read are warned of.

Frames with the same atoms in the same order, masses and periodic directions are a group, named by the
chemical formula or by `nadyn_group`; a second kind of group with that name is `C2H6O_2`. A `Lattice` without
any periodic direction is a box drawn around a molecule and is not kept, unless it cuts molecules.
"""

from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path

import ase
import ase.io
import numpy as np

from nadyn.checks.counts import counted
from nadyn.checks.errors import InputError
from nadyn.checks.files import check_file
from nadyn.data.assumptions import agreed_multiplicities
from nadyn.data.dataset import Dataset, Group
from nadyn.data.label_checks.frame_geometry import wrapped_frames
from nadyn.data.readers.extxyz_labels import Keys, labels_of
from nadyn.data.readers.extxyz_text import FrameNotes, prepared
from nadyn.data.readers.extxyz_unread import UnreadLabels
from nadyn.data.readers.reader import Reader, ReadOptions, unused_name, whole_text
from nadyn.data.validation import group_from_arrays, located
from nadyn.structures import formula, isotope_mass, masses, symbol
from nadyn.units import ELECTRON_MASS_PER_DALTON, to_atomic_units

# What ASE raises at a file that is not as it should be; RuntimeError: a frame ends where it begins.
UNREADABLE = (ValueError, KeyError, IndexError, AssertionError, ase.io.ParseError, RuntimeError, OSError)

_LENGTH = to_atomic_units("angstrom", "length")


def read_extxyz(
    path: str | Path,
    *,
    energy_key: str | None = None,
    forces_key: str | None = None,
    multiplicities: tuple[int, ...] | None = None,
    theory: str = "",
    source: str = "",
    licence: str = "",
) -> Dataset:
    """Read an extended xyz file; the module says which names are understood.

    Args:
        path: The file, which may be packed by gzip.
        energy_key: Name of the energies, looked for before the usual ones.
        forces_key: Name of the forces, looked for before the usual ones.
        multiplicities: 2S + 1 of each state, where the file does not say it.
        theory: Level of theory of the labels.
        source: Where the data are from; the name of the file if empty.
        licence: Licence of the data.

    Raises:
        InputError: The file is missing or cannot be read, a frame has no energy, frames of one molecule have
            different numbers of states, the file says other multiplicities, or what `group_from_arrays`
            refuses.
    """
    path = Path(path)
    with located(f"extended xyz file {str(path)!r}"):
        check_file(path, "the file")
        kinds: dict[tuple, list[tuple[int, ase.Atoms]]] = {}
        text, notes = prepared(whole_text(path))
        unread = UnreadLabels(forces_key)
        keys = Keys(energy_key, forces_key)
        for number, atoms in enumerate(_frames(text)):
            note = notes[number] if number < len(notes) else FrameNotes()
            unread.look_at(atoms, note)
            mass = _masses(atoms, note)
            own_name = str(atoms.info.get("nadyn_group", ""))
            key = own_name, tuple(atoms.numbers.tolist()), tuple(atoms.pbc.tolist()), mass
            kinds.setdefault(key, []).append((number, atoms))
        if not kinds:
            raise InputError("the file must hold a frame, but is empty.")
        unread.check_key()
        groups: dict[str, Group] = {}
        for (own_name, numbers, _, mass), members in kinds.items():
            name = unused_name(own_name or formula(numbers, mass), groups)
            groups[name] = _group(name, members, mass, keys, multiplicities)
        unread.warn()
    texts = {"theory": theory, "source": source or path.name, "licence": licence}
    return Dataset(tuple(replace(group, **texts) for group in groups.values()))


def _masses(atoms: ase.Atoms, note: FrameNotes) -> tuple[float, ...] | None:
    """Return the masses [electron mass] that the column or the symbols of a frame name; None if none are."""
    if "masses" not in atoms.arrays and not note.isotopes:
        return None
    found = masses(atoms.numbers.tolist())
    if "masses" in atoms.arrays:
        found = np.array(atoms.arrays["masses"], dtype=np.float64) * ELECTRON_MASS_PER_DALTON
    for atom, mass_number in note.isotopes.items():
        found[atom] = isotope_mass(symbol(int(atoms.numbers[atom])), mass_number)
    return tuple(found.tolist())


def why_unreadable(error: Exception) -> str:
    """Return what ASE says of text that it cannot read, in words."""
    if isinstance(error, KeyError):
        # A dictionary of symbols says only what it was asked for.
        return f"{error} is no element"
    return str(error).split("\n")[0].removeprefix("ase.io.extxyz: ") or type(error).__name__


def _frames(text: str) -> Iterator[ase.Atoms]:
    reader = ase.io.iread(StringIO(text), index=":", format="extxyz")
    number = 0
    while True:
        try:
            atoms = next(reader)
        except StopIteration:
            return
        except UNREADABLE as error:
            reason = why_unreadable(error)
            raise InputError(f"frame {number} must be readable, but is not: {reason}.") from error
        yield atoms
        number += 1


def _group(
    name: str,
    members: list[tuple[int, ase.Atoms]],
    mass: tuple[float, ...] | None,
    keys: Keys,
    multiplicities: tuple[int, ...] | None,
) -> Group:
    rows = []
    for number, atoms in members:
        with located(f"frame {number}"):
            rows.append(labels_of(atoms, keys))
    first = rows[0]
    n_states = len(first["energies"])
    for (number, _), row in zip(members, rows, strict=True):
        if len(row["energies"]) != n_states:
            raise InputError(
                f"frame {number} must have {counted(n_states, 'state')} as frame {members[0][0]}, "
                f"but has {len(row['energies'])}."
            )
        for key in ("charge", "multiplicities"):
            if (row[key] or 0) != (first[key] or 0):
                raise InputError(f"frame {number} must have the `{key}` of frame {members[0][0]}.")
    arrays = {
        key: _stacked([row[key] for row in rows]) for key in ("forces", "interstate_couplings", "stress")
    }
    weight = np.array([row["weight"] for row in rows])
    positions = np.stack([atoms.positions for _, atoms in members]) * _LENGTH
    cell = np.stack([atoms.cell.array for _, atoms in members]) * _LENGTH
    numbers, pbc = members[0][1].numbers.astype(np.int64), members[0][1].pbc
    # A box that cuts molecules is kept, so that the check of whole molecules sees it.
    keeps_cell = cell.any() and (pbc.any() or wrapped_frames(numbers, positions, cell).any())
    with located(f"group {name!r}"):
        return group_from_arrays(
            name,
            atomic_numbers=numbers,
            positions=positions,
            masses=None if mass is None else np.array(mass),
            energies=np.stack([row["energies"] for row in rows]),
            cell=cell if keeps_cell else None,
            pbc=pbc,
            charge=next((row["charge"] for row in rows if row["charge"] is not None), None),
            multiplicities=agreed_multiplicities(first["multiplicities"], multiplicities),
            weight=weight if (weight != 1.0).any() else None,
            tag=[row["tag"] for row in rows],
            **arrays,
        )


def _stacked(rows: list[np.ndarray | None]) -> np.ndarray | None:
    shape = next((row.shape for row in rows if row is not None), None)
    if shape is None:
        return None
    return np.stack([np.full(shape, np.nan) if row is None else row for row in rows])


def _recognises(content: bytes) -> bool:
    """An extended xyz file begins with the number of atoms."""
    first, _, rest = content.partition(b"\n")
    return first.strip().isdigit() and b"\n" in rest


def _read(path: Path, options: ReadOptions) -> Dataset:
    return read_extxyz(
        path,
        energy_key=options.energy_key,
        forces_key=options.forces_key,
        multiplicities=options.multiplicities,
    )


EXTXYZ = Reader(
    "extended xyz file", _recognises, _read, frozenset({"energy_key", "forces_key", "multiplicities"})
)
