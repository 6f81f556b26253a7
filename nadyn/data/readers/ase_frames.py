"""Frames that ASE has read, of whatever file, as a dataset: one group a molecule."""

from collections.abc import Iterable
from dataclasses import replace

import ase
import numpy as np

from nadyn.checks.counts import counted
from nadyn.checks.errors import InputError
from nadyn.data.assumptions import agreed_multiplicities
from nadyn.data.dataset import Dataset, Group
from nadyn.data.label_checks.frame_geometry import wrapped_frames
from nadyn.data.readers.extxyz_labels import Keys, labels_of
from nadyn.data.readers.extxyz_text import TEXTS, FrameNotes
from nadyn.data.readers.extxyz_unread import UnreadLabels
from nadyn.data.readers.reader import unused_name
from nadyn.data.validation import group_from_arrays, located
from nadyn.structures import formula, isotope_mass, masses, symbol
from nadyn.units import ELECTRON_MASS_PER_DALTON


def dataset_of_frames(
    frames: Iterable[tuple[ase.Atoms, FrameNotes]], keys: Keys, multiplicities: tuple[int, ...] | None
) -> Dataset:
    """Return the frames as a dataset, with the labels that `readers.extxyz` lists.

    Warns (`InputWarning`) of labels under other names.

    Args:
        frames: What ASE says of each, and what it does not.
        keys: Names that the user has given.
        multiplicities: 2S + 1 of each state, where the frames do not say it.

    Raises:
        InputError: There is no frame, one has no energy, or what `group_from_arrays` refuses.
    """
    kinds: dict[tuple, list[tuple[int, ase.Atoms, FrameNotes]]] = {}
    unread = UnreadLabels(keys)
    for number, (atoms, note) in enumerate(frames):
        unread.look_at(atoms, note)
        mass = _masses(atoms, note)
        own_name = note.texts.get("group", str(atoms.info.get("nadyn_group", "")))
        key = own_name, tuple(atoms.numbers.tolist()), tuple(atoms.pbc.tolist()), mass
        kinds.setdefault(key, []).append((number, atoms, note))
    if not kinds:
        raise InputError("the file must hold a frame, but is empty.")
    unread.check_key()
    groups: dict[str, Group] = {}
    for (own_name, numbers, _, mass), members in kinds.items():
        name = unused_name(own_name or formula(numbers, mass), groups)
        groups[name] = _group(name, members, mass, keys, multiplicities)
    unread.warn()
    return Dataset(tuple(groups.values()))


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


def _group(
    name: str,
    members: list[tuple[int, ase.Atoms, FrameNotes]],
    mass: tuple[float, ...] | None,
    keys: Keys,
    multiplicities: tuple[int, ...] | None,
) -> Group:
    rows = []
    for number, atoms, _ in members:
        with located(f"frame {number}"):
            if not len(atoms):
                raise InputError("it must hold an atom, but holds none.")
            if not (np.isfinite(atoms.positions).all() and np.isfinite(atoms.cell.array).all()):
                raise InputError("positions and cell must be finite, but are not. Remove that frame.")
            rows.append(labels_of(atoms, keys))
    first = rows[0]
    n_states = len(first["energies"])
    for (number, _, _), row in zip(members, rows, strict=True):
        if len(row["energies"]) != n_states:
            raise InputError(
                f"frame {number} must have {counted(n_states, 'state')} as frame {members[0][0]}, "
                f"but has {len(row['energies'])}."
            )
        for key, unsaid in (("charge", 0), ("multiplicities", "none")):
            if (row[key] or 0) != (first[key] or 0):
                raise InputError(
                    f"frame {number} must have the `{key}` of frame {members[0][0]}, {first[key] or unsaid}, "
                    f"but has {row[key] or unsaid}. Write frames that differ in it into files of their own."
                )
    arrays = {
        key: _stacked([row[key] for row in rows])
        for key in ("forces", "interstate_couplings", "charges", "stress")
    }
    weight = np.array([row["weight"] for row in rows])
    length = keys.factor("positions", "length")
    positions = np.stack([atoms.positions for _, atoms, _ in members]) * length
    cell = np.stack([atoms.cell.array for _, atoms, _ in members]) * length
    numbers, pbc = members[0][1].numbers.astype(np.int64), members[0][1].pbc
    # A box that cuts molecules is kept, so that the check of whole molecules sees it.
    keeps_cell = cell.any() and (pbc.any() or wrapped_frames(numbers, positions, cell).any())
    texts = members[0][2].texts
    with located(f"group {name!r}"):
        group = group_from_arrays(
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
            tag=[note.texts.get("tag", row["tag"]) for (_, _, note), row in zip(members, rows, strict=True)],
            **arrays,
            **{key: texts[key] for key in TEXTS if key in texts and key != "history"},
        )
    return replace(group, history=texts.get("history", ""))


def _stacked(rows: list[np.ndarray | None]) -> np.ndarray | None:
    shape = next((row.shape for row in rows if row is not None), None)
    if shape is None:
        return None
    return np.stack([np.full(shape, np.nan) if row is None else row for row in rows])
