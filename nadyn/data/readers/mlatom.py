"""Molecular databases and trajectories of MLatom (JSON), with electronic states.

Positions are in ångström, energies in hartree, gradients in hartree/ångström, and `nacv` are d_kl = ⟨k|∇l⟩
in 1/ångström, which times the energy difference are h. The states are `electronic_states`, each a molecule
with its own energy, gradients and multiplicity; without them there is one state. States are put in the order
of their multiplicity; `nacv` belongs to the singlets. A gradient that holds NaN was not computed. Steps of a
trajectory become frames, their momenta are not read.

Source: MLatom 3 (github.com/dralgroup/mlatom), `data.py`, `interfaces/columbus_interface.py` and
`interfaces/mndo_interface.py`.
"""

import warnings
from collections import Counter
from pathlib import Path

import numpy as np

from nadyn.checks.counts import counted
from nadyn.checks.errors import InputError, InputWarning
from nadyn.checks.files import check_file
from nadyn.checks.json_text import parse_json
from nadyn.checks.packed import whole_text
from nadyn.data.dataset import Dataset, state_pairs
from nadyn.data.readers.reader import Reader, ReadOptions
from nadyn.data.readers.rows import Row, dataset_of_rows, unusual_masses
from nadyn.data.validation import located
from nadyn.units import BOHR_PER_ANGSTROM, ELECTRON_MASS_PER_DALTON

# What a molecule may hold beside what is read, and says nothing that a dataset has room for.
_KNOWN = {
    *("id", "charge", "multiplicity", "atoms", "electronic_states", "energy", "nacv", "_pbc", "_cell"),
    *("properties_and_their_derivatives", "comment", "number", "_nuclear_mass", "label"),
}


def read_mlatom(path: str | Path, options: ReadOptions | None = None) -> Dataset:
    """Read a database or a trajectory of MLatom; the module says what it holds.

    Warns (`InputWarning`) of properties that are not read.

    Raises:
        InputError: The file is missing, damaged or of another kind, or a molecule has no energy.
    """
    path, options = Path(path), options or ReadOptions()
    with located(f"MLatom file {str(path)!r}"):
        check_file(path, "the file")
        molecules = _molecules(whole_text(path))
        rows, unread = [], Counter()
        for number, molecule in enumerate(molecules):
            with located(f"molecule {number}"):
                if not isinstance(molecule, dict):
                    raise InputError("it must be a mapping, but is not.")
                rows.append(_row(molecule, options))
            unread.update(set(molecule) - _KNOWN)
        for key, count in sorted(unread.items()):
            warnings.warn(
                f"`{key}` stands in {count} of {counted(len(rows), 'molecule')} and was not read.",
                InputWarning,
                stacklevel=2,
            )
        return dataset_of_rows(rows, source=path.name)


def _molecules(text: str) -> list[object]:
    try:
        content = parse_json(text)
    except (ValueError, RecursionError) as error:
        raise InputError("the file must be JSON, but cannot be read. Copy it again.") from error
    if isinstance(content, dict) and isinstance(content.get("molecules"), list):
        return content["molecules"]
    if isinstance(content, dict) and isinstance(content.get("steps"), list):
        return [step.get("molecule") if isinstance(step, dict) else None for step in content["steps"]]
    if isinstance(content, dict) and "atoms" in content:
        return [content]
    raise InputError("the file must hold `molecules` or `steps`, but holds neither.")


def _row(molecule: dict[str, object], options: ReadOptions) -> Row:
    atoms = molecule.get("atoms")
    numbers = _numbers(atoms)
    states = molecule.get("electronic_states") or [molecule]
    if not isinstance(states, list) or not all(isinstance(state, dict) for state in states):
        raise InputError("`electronic_states` must be molecules, but are not.")
    spins = [
        _whole(state.get("multiplicity", molecule.get("multiplicity", 1)), "multiplicity") for state in states
    ]
    order = sorted(range(len(states)), key=lambda place: spins[place])
    energies = np.array([_energy(states[place]) for place in order])
    multiplicities = tuple(spins[place] for place in order)
    # The gradient of the molecule is that of its only state; of several states nobody says of which one.
    of_states = [states[place].get("atoms") or (atoms if len(states) == 1 else None) for place in order]
    gradients = [
        None if own is None else _per_atom(own, "energy_gradients", len(numbers)) for own in of_states
    ]
    masses = _per_atom(atoms, "_nuclear_mass", len(numbers), width=1)
    if _given(molecule.get("_cell")) or _given(molecule.get("_pbc")):
        raise InputError("it must be an isolated molecule, but has `_cell` or `_pbc`, which are not read.")
    if options.multiplicities is not None and options.multiplicities != multiplicities:
        raise InputError(
            f"the multiplicities must be those of the file, {list(multiplicities)}, but "
            "`--multiplicities` says "
            f"{list(options.multiplicities)}. Remove the option."
        )
    missing = np.full((len(numbers), 3), np.nan)
    forces = [
        missing if one is None or np.isnan(one).any() else -one / BOHR_PER_ANGSTROM for one in gradients
    ]
    couplings = _couplings(molecule.get("nacv"), energies, multiplicities, len(numbers))
    positions = _per_atom(atoms, "xyz_coordinates", len(numbers))
    if positions is None:
        raise InputError("its atoms must have `xyz_coordinates`, but have none.")
    return Row(
        atomic_numbers=numbers,
        arrays={
            "positions": positions * BOHR_PER_ANGSTROM,
            "energies": energies,
            "forces": np.stack(forces),
            "interstate_couplings": couplings,
        },
        multiplicities=multiplicities,
        charge=_whole(molecule.get("charge", 0), "charge"),
        masses=None if masses is None else unusual_masses(numbers, masses[:, 0] * ELECTRON_MASS_PER_DALTON),
    )


def _numbers(atoms: object) -> tuple[int, ...]:
    if not isinstance(atoms, list) or not atoms or not all(isinstance(atom, dict) for atom in atoms):
        raise InputError("`atoms` must be a list of atoms, but is not.")
    return tuple(_whole(atom.get("atomic_number"), "atomic_number") for atom in atoms)


def _per_atom(atoms: object, key: str, n_atoms: int, width: int = 3) -> np.ndarray | None:
    """Return (atom, width) of a property; None where no atom has it."""
    if not isinstance(atoms, list) or not all(isinstance(atom, dict) for atom in atoms):
        raise InputError("`atoms` must be a list of atoms, but is not.")
    found = [atom.get(key) for atom in atoms]
    if all(value is None for value in found):
        return None
    try:
        array = np.array([np.ravel(value) for value in found], dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"each atom must have `{key}`, {width} numbers, but one has not.") from error
    if array.shape != (n_atoms, width):
        raise InputError(f"each atom must have `{key}`, {width} numbers, but one has not.")
    return array


def _energy(state: dict[str, object]) -> float:
    value = state.get("energy")
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        raise InputError(f"each state must have an `energy`, but one has {value!r}.")
    return float(value)


def _couplings(
    given: object, energies: np.ndarray, spins: tuple[int, ...], n_atoms: int
) -> np.ndarray | None:
    """Return h of the pairs of singlets from `nacv`, NaN where it is None, NaN or all zero."""
    if given is None:
        return None
    n_singlets = spins.count(1)
    result = np.full((len(state_pairs(len(spins))), n_atoms, 3), np.nan)
    for place, (k, l) in enumerate(state_pairs(len(spins))):
        if max(k, l) >= n_singlets:
            continue
        try:
            value = given[k][l]
            d = None if value is None else np.array(value, dtype=np.float64)
        except (TypeError, ValueError, IndexError, KeyError) as error:
            raise InputError(
                "`nacv` must hold 3 numbers an atom for each pair of singlets, but does not."
            ) from error
        if d is None or not d.any() or np.isnan(d).any():
            continue
        if d.shape != (n_atoms, 3):
            raise InputError("`nacv` must hold 3 numbers an atom for each pair of singlets, but does not.")
        result[place] = d / BOHR_PER_ANGSTROM * (energies[l] - energies[k])
    return result


def _given(value: object) -> bool:
    return value is not None and bool(np.any(np.asarray(value, dtype=object) != None)) and bool(np.any(value))  # noqa: E711


def _whole(value: object, key: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or value % 1 != 0:
        raise InputError(f"`{key}` must be a whole number, but is {value!r}.")
    return int(value)


def _recognises(content: bytes) -> bool:
    text = content.lstrip()
    return text.startswith(b"{") and b'"xyz_coordinates"' in text and b'"atoms"' in text


MLATOM = Reader(
    "database or trajectory of MLatom (JSON)", _recognises, read_mlatom, frozenset({"multiplicities"})
)
