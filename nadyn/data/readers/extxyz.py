"""Extended xyz files with one or several electronic states, read into datasets.

Units are those of ASE: eV and ångström, stress in eV/ångström³ with ASE's sign. What is read of a frame:

- energy of one state: `REF_energy` or `energy`, the first that is there; of several: `energies` with one
  number a state, or `energy_0`, `energy_1`, ….
- forces of one state: `REF_forces`, `forces` or `force`, the first that is there; of several: `forces_0`,
  `forces_1`, … (a state without is NaN), or `forces` with 3 n_states columns, state after state.
- couplings: `interstate_couplings_0_1`, …, which are h_kl in eV/ångström, 3 columns.
- cell: `Lattice` and `pbc`; for one state `stress` (9 numbers), or `virial` = -volume · stress.
- `charge`, and `multiplicities` with one number a state.

Frames with the same atoms in the same order and the same periodic directions are a group, named by the
chemical formula or by `nadyn_group`; a second kind of group with that name is `C2H6O_2`. A `Lattice` without
any periodic direction is a box drawn around a molecule and is not kept.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import ase
import ase.io
import numpy as np

from nadyn.checks.errors import InputError
from nadyn.checks.files import check_file
from nadyn.data.dataset import Dataset, Group, state_pairs
from nadyn.data.validation import group_from_arrays, located
from nadyn.structures import formula
from nadyn.units import to_atomic_units

# What ASE raises at a file that is not as it should be; RuntimeError: a frame ends where it begins.
UNREADABLE = (ValueError, KeyError, IndexError, AssertionError, ase.io.ParseError, RuntimeError, OSError)

_ENERGY = to_atomic_units("eV", "energy")
_LENGTH = to_atomic_units("angstrom", "length")
_FORCE = to_atomic_units("eV/angstrom", "force")
_STRESS = to_atomic_units("eV/angstrom^3", "stress")


def read_extxyz(path: str | Path, *, theory: str = "", source: str = "", licence: str = "") -> Dataset:
    """Read an extended xyz file; the module says which names are understood.

    Args:
        path: The file.
        theory: Level of theory of the labels.
        source: Where the data are from; the name of the file if empty.
        licence: Licence of the data.

    Raises:
        InputError: The file is missing or cannot be read, a frame has no energy, frames of one molecule have
            different numbers of states, or what `group_from_arrays` refuses.
    """
    path = Path(path)
    with located(f"extended xyz file {str(path)!r}"):
        check_file(path, "the file")
        kinds: dict[tuple, list[tuple[int, ase.Atoms]]] = {}
        for number, atoms in enumerate(_frames(path)):
            own_name = str(atoms.info.get("nadyn_group", ""))
            key = own_name, tuple(atoms.numbers.tolist()), tuple(atoms.pbc.tolist())
            kinds.setdefault(key, []).append((number, atoms))
        if not kinds:
            raise InputError("the file must hold a frame, but is empty.")
        groups: dict[str, Group] = {}
        for (own_name, numbers, _), members in kinds.items():
            name = base = own_name or formula(numbers)
            kind = 1
            while name in groups:
                kind += 1
                name = f"{base}_{kind}"
            groups[name] = _group(name, members)
    texts = {"theory": theory, "source": source or path.name, "licence": licence}
    return Dataset(tuple(replace(group, **texts) for group in groups.values()))


def _frames(path: Path) -> Iterator[ase.Atoms]:
    reader = ase.io.iread(path, index=":", format="extxyz")
    number = 0
    while True:
        try:
            atoms = next(reader)
        except StopIteration:
            return
        except UNREADABLE as error:
            reason = str(error).split("\n")[0].removeprefix("ase.io.extxyz: ") or type(error).__name__
            raise InputError(f"frame {number} must be readable, but is not: {reason}.") from error
        yield atoms
        number += 1


def _group(name: str, members: list[tuple[int, ase.Atoms]]) -> Group:
    rows = []
    for number, atoms in members:
        with located(f"frame {number}"):
            rows.append(_labels(atoms))
    first = rows[0]
    n_states = len(first["energies"])
    for (number, _), row in zip(members, rows, strict=True):
        if len(row["energies"]) != n_states:
            raise InputError(
                f"frame {number} must have {n_states} states as frame {members[0][0]}, "
                f"but has {len(row['energies'])}."
            )
        for key in ("charge", "multiplicities"):
            if row[key] != first[key]:
                raise InputError(f"frame {number} must have the `{key}` of frame {members[0][0]}.")
    arrays = {
        key: _stacked([row[key] for row in rows]) for key in ("forces", "interstate_couplings", "stress")
    }
    any_cell = any(atoms.cell.any() for _, atoms in members) and members[0][1].pbc.any()
    with located(f"group {name!r}"):
        return group_from_arrays(
            name,
            atomic_numbers=members[0][1].numbers,
            positions=np.stack([atoms.positions for _, atoms in members]) * _LENGTH,
            energies=np.stack([row["energies"] for row in rows]),
            cell=np.stack([atoms.cell.array for _, atoms in members]) * _LENGTH if any_cell else None,
            pbc=members[0][1].pbc,
            charge=first["charge"],
            multiplicities=first["multiplicities"],
            **arrays,
        )


def _labels(atoms: ase.Atoms) -> dict[str, object]:
    """Return the labels of one frame in atomic units."""
    # ASE moves the names it knows from `info` and `arrays` to a calculator.
    results = atoms.calc.results if atoms.calc is not None else {}
    info = atoms.info | {key: results[key] for key in ("energy", "stress") if key in results}
    arrays = atoms.arrays | {key: results[key] for key in ("forces",) if key in results}
    energies = _energies(info)
    n_states = len(energies)
    couplings = [arrays.get(f"interstate_couplings_{k}_{l}") for k, l in state_pairs(n_states)]
    spins = info.get("multiplicities")
    if spins is not None:
        spins = np.ravel(_numbers(spins, "`multiplicities`"), order="F").tolist()
        spins = [_whole(spin, "multiplicities") for spin in spins]
    return {
        "energies": energies * _ENERGY,
        "forces": _scaled(_forces(arrays, n_states), _FORCE),
        "interstate_couplings": _scaled(_filled(couplings, (len(atoms), 3)), _FORCE),
        "stress": _scaled(_stress(info, atoms) if n_states == 1 else None, _STRESS),
        "charge": _whole(info.get("charge", 0), "charge"),
        "multiplicities": spins,
    }


def _energies(info: dict[str, object]) -> np.ndarray:
    if "energies" in info:
        # ASE turns nine numbers into a matrix, column by column.
        return np.ravel(_numbers(info["energies"], "`energies`"), order="F")
    numbered = []
    while (key := f"energy_{len(numbered)}") in info:
        numbered.append(_number(info[key], key))
    if numbered:
        return np.array(numbered)
    for key in ("REF_energy", "energy"):
        if key in info:
            return np.array([_number(info[key], key)])
    raise InputError("`energy`, `REF_energy`, `energies` or `energy_0` must be there, but none is.")


def _forces(arrays: dict[str, np.ndarray], n_states: int) -> np.ndarray | None:
    n_atoms = len(arrays["numbers"])
    numbered = [arrays.get(f"forces_{k}") for k in range(n_states)]
    if any(item is not None for item in numbered):
        return _filled(numbered, (n_atoms, 3))
    for key in ("REF_forces", "forces", "force"):
        if key in arrays:
            found = _numbers(arrays[key], f"`{key}`")
            if found.shape != (n_atoms, 3 * n_states):
                raise InputError(
                    f"`{key}` must have {3 * n_states} columns, 3 for each of {n_states} states, "
                    f"but has shape {found.shape}. Name the forces of state k `forces_k`."
                )
            return found.reshape(n_atoms, n_states, 3).transpose(1, 0, 2)
    return None


def _stress(info: dict[str, object], atoms: ase.Atoms) -> np.ndarray | None:
    if "stress" in info:
        stress = _numbers(info["stress"], "`stress`")
        if stress.size == 6:
            # ASE's calculator keeps a symmetric matrix as six numbers.
            xx, yy, zz, yz, xz, xy = stress
            stress = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    elif "virial" in info and atoms.cell.rank == 3:
        stress = -_numbers(info["virial"], "`virial`") / atoms.get_volume()
    else:
        return None
    if stress.size != 9:
        raise InputError(f"`stress` or `virial` must hold 9 numbers, but holds {stress.size}.")
    return stress.reshape(1, 3, 3)


def _filled(items: list[np.ndarray | None], shape: tuple[int, int]) -> np.ndarray | None:
    """Stack labels, NaN for those that are not there; None if none is."""
    if all(item is None for item in items):
        return None
    found = [
        np.full(shape, np.nan) if item is None else _numbers(item, "a force or coupling") for item in items
    ]
    for item in found:
        if item.shape != shape:
            raise InputError(f"each force or coupling must have shape {shape}, but one has {item.shape}.")
    return np.stack(found)


def _numbers(value: object, name: str) -> np.ndarray:
    try:
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} must hold numbers, but holds {_shortened(value)}.") from error


def _number(value: object, key: str) -> float:
    found = _numbers(value, f"`{key}`")
    if found.size != 1:
        raise InputError(f"`{key}` must be one number, but is {_shortened(value)}. Several are `energies`.")
    return float(found.reshape(-1)[0])


def _whole(value: object, key: str) -> int:
    try:
        found = float(np.asarray(value, dtype=np.float64))
    except (TypeError, ValueError):
        found = np.nan
    if not found.is_integer():
        raise InputError(f"`{key}` must be whole, but is {_shortened(value)}.")
    return int(found)


def _shortened(value: object) -> str:
    """Return the value as text, of a long array its beginning."""
    text = repr(value.tolist() if isinstance(value, np.ndarray | np.generic) else value)
    return text if len(text) <= 60 else text[:60] + " …"


def _scaled(array: np.ndarray | None, factor: float) -> np.ndarray | None:
    return None if array is None else array * factor


def _stacked(rows: list[np.ndarray | None]) -> np.ndarray | None:
    shape = next((row.shape for row in rows if row is not None), None)
    if shape is None:
        return None
    return np.stack([np.full(shape, np.nan) if row is None else row for row in rows])
