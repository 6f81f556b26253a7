"""The labels of one frame of an extended xyz file, under the names that `readers.extxyz` lists."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import ase
import numpy as np

from nadyn.checks.errors import InputError
from nadyn.data.dataset import state_pairs
from nadyn.data.readers.extxyz_unread import OF_ATOMS, OF_FRAMES, STRESS, VIRIAL, advice_on_energy
from nadyn.data.readers.inverse_length import couplings_in
from nadyn.data.readers.reader import ReadOptions, to_atomic
from nadyn.units import to_atomic_units

# Fields of `ReadOptions` that readers of frames of ASE understand.
OPTIONS = frozenset({"energy_key", "forces_key", "multiplicities", "keys", "units"})

_KNOWN = {"energies", "forces", "interstate_couplings"}
_USUAL = {"energies": "eV", "forces": "eV/angstrom", "positions": "angstrom"}
_FORCE = to_atomic_units("eV/angstrom", "force")
_STRESS = to_atomic_units("eV/angstrom^3", "stress")


@dataclass(frozen=True)
class Keys:
    """Names that the user gives to energies, forces and couplings, and units that are not the usual ones."""

    energy: str | None = None
    forces: str | None = None
    couplings: str | None = None
    units: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def of(options: ReadOptions) -> "Keys":
        """Return what the options say.

        Raises:
            InputError: They name an unknown label, or couplings without their unit.
        """
        options.check_labels(_KNOWN | {"positions"}, "extended xyz")
        keys = Keys(*(options.key_of(label) for label in sorted(_KNOWN)), options.units)
        if keys.couplings is not None:
            # Said now, not at the first frame.
            couplings_in(options.units.get("interstate_couplings"))
        return keys

    def factor(self, label: str, dimension: str) -> float:
        """Return the factor of a label to atomic units."""
        given = ReadOptions(units=self.units)
        return to_atomic(label, given, None if label in self.units else _USUAL[label], dimension)

    def factor_of_stress(self) -> float:
        """Return the factor of a stress, or a virial over a volume: its unit follows from the others."""
        if not {"energies", "positions"} & set(self.units):
            return _STRESS
        return self.factor("energies", "energy") / self.factor("positions", "length") ** 3


def labels_of(atoms: ase.Atoms, keys: Keys) -> dict[str, object]:
    """Return the labels of one frame in atomic units."""
    # ASE moves the names it knows from `info` and `arrays` to a calculator.
    results = atoms.calc.results if atoms.calc is not None else {}
    info = atoms.info | {key: results[key] for key in OF_FRAMES if key in results}
    arrays = atoms.arrays | {key: results[key] for key in OF_ATOMS if key in results}
    energies = _energies(info, keys.energy) * keys.factor("energies", "energy")
    n_states = len(energies)
    spins = info.get("multiplicities")
    if spins is not None:
        spins = np.ravel(_numbers(spins, "`multiplicities`"), order="F").tolist()
        spins = [_whole(spin, "multiplicities") for spin in spins]
    forces = _forces(arrays, info, n_states, keys.forces)
    return {
        "energies": energies,
        "forces": _scaled(forces, keys.factor("forces", "force")),
        "interstate_couplings": _couplings(arrays, info, energies, keys),
        "charges": _charges(arrays),
        "stress": _scaled(_stress(info, atoms) if n_states == 1 else None, keys.factor_of_stress()),
        "charge": _whole(info["charge"], "charge") if "charge" in info else None,
        "multiplicities": spins,
        "weight": _number(info.get("nadyn_weight", 1.0), "nadyn_weight"),
        "tag": str(info.get("nadyn_tag", "")),
    }


def _couplings(
    arrays: dict[str, np.ndarray], info: dict[str, object], energies: np.ndarray, keys: Keys
) -> np.ndarray | None:
    n_atoms, pairs = len(arrays["numbers"]), state_pairs(len(energies))
    if keys.couplings is None or (keys.couplings not in arrays and keys.couplings not in info):
        found = [arrays.get(f"interstate_couplings_{k}_{l}") for k, l in pairs]
        return _scaled(_filled(found, (n_atoms, 3)), _FORCE)
    name = f"`{keys.couplings}`"
    given = _numbers(arrays.get(keys.couplings, info.get(keys.couplings)), name)
    factor, is_d = couplings_in(keys.units.get("interstate_couplings"))
    result = by_state(given, len(pairs), n_atoms, name) * factor
    if is_d:
        result *= np.array([energies[l] - energies[k] for k, l in pairs])[:, None, None]
    return result


def by_state(given: np.ndarray, n: int, n_atoms: int, name: str) -> np.ndarray:
    """Return (n, atom, 3) of an array that has the atoms first, or second, or 3 n columns.

    Where there are as many atoms as states or pairs, atoms are first, as X-MACE has them.

    Raises:
        InputError: It has another shape.
    """
    if given.shape == (n_atoms, n, 3):
        return given.transpose(1, 0, 2)
    if given.shape == (n, n_atoms, 3):
        return given
    if given.shape == (n_atoms, 3 * n):
        return given.reshape(n_atoms, n, 3).transpose(1, 0, 2)
    raise InputError(
        f"{name} must have shape ({n_atoms}, {n}, 3) or ({n}, {n_atoms}, 3), but has shape {given.shape}."
    )


def _energies(info: dict[str, object], own_key: str | None) -> np.ndarray:
    if own_key is not None and own_key in info:
        return np.ravel(_numbers(info[own_key], f"`{own_key}`"), order="F")
    if "energies" in info:
        # ASE turns nine numbers into a matrix, column by column.
        return np.ravel(_numbers(info["energies"], "`energies`"), order="F")
    numbered = []
    while (key := f"energy_{len(numbered)}") in info:
        numbered.append(_number(info[key], key))
    if numbered:
        return np.array(numbered)
    if np.size(info.get("REF_energy", 0.0)) > 1:
        return np.ravel(_numbers(info["REF_energy"], "`REF_energy`"), order="F")
    for key in ("REF_energy", "energy"):
        if key in info:
            return np.array([_number(info[key], key)])
    raise InputError(
        "`energy`, `REF_energy`, `energies` or `energy_0` must be there, but none is. "
        + advice_on_energy(info)
    )


def _forces(
    arrays: dict[str, np.ndarray], info: dict[str, object], n_states: int, own_key: str | None
) -> np.ndarray | None:
    n_atoms = len(arrays["numbers"])
    numbered = [arrays.get(f"forces_{k}") for k in range(n_states)]
    if own_key in arrays or own_key in info:
        numbered = []
    if any(item is not None for item in numbered):
        return _filled(numbered, (n_atoms, 3))
    for key in (own_key, "REF_forces", "forces", "force"):
        if key in arrays:
            found = _numbers(arrays[key], f"`{key}`")
            if found.shape != (n_atoms, 3 * n_states):
                raise InputError(
                    f"`{key}` must have {3 * n_states} columns, 3 for each of {n_states} states, "
                    f"but has shape {found.shape}. Name the forces of state k `forces_k`."
                )
            return found.reshape(n_atoms, n_states, 3).transpose(1, 0, 2)
    for key in (own_key, "REF_forces"):
        if key in info:
            return by_state(_numbers(info[key], f"`{key}`"), n_states, n_atoms, f"`{key}`")
    return None


def _stress(info: dict[str, object], atoms: ase.Atoms) -> np.ndarray | None:
    stress_key = next((key for key in STRESS if key in info), None)
    virial_key = next((key for key in VIRIAL if key in info), None)
    if stress_key is not None:
        stress = _numbers(info[stress_key], f"`{stress_key}`")
        if stress.size == 6:
            # ASE's calculator keeps a symmetric matrix as six numbers.
            xx, yy, zz, yz, xz, xy = stress
            stress = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    elif virial_key is not None and atoms.cell.rank == 3:
        stress = -_numbers(info[virial_key], f"`{virial_key}`") / atoms.get_volume()
    else:
        return None
    if stress.size != 9:
        raise InputError(f"`stress` or `virial` must hold 9 numbers, but holds {stress.size}.")
    return stress.reshape(1, 3, 3)


def _charges(arrays: dict[str, np.ndarray]) -> np.ndarray | None:
    if "charges" not in arrays:
        return None
    charges = _numbers(arrays["charges"], "`charges`")
    if charges.shape != (len(arrays["numbers"]),):
        raise InputError(f"`charges` must be one number an atom, but have shape {charges.shape}.")
    return charges


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
