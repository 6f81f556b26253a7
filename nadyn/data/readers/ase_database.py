"""ASE databases (SQLite, `.db`): of SchNarc, SPaiNN and SchNetPack, or with results of calculators of ASE.

Of each row are read `energy`, `forces`, `nacs` (d_kl = ⟨k|∇l⟩, times the energy difference h_kl),
`smooth_nacs` (-h_kl) where there are no `nacs`, `dipoles` and `socs`. The metadata say the units of
positions, energies and forces (`_distance_unit`, `_property_unit_dict`), and how many singlets and triplets
there are; SchNarc, which says no units of energies, has atomic ones. SPaiNN has (atom, state, 3) where
SchNarc has (state, atom, 3); the shape of `energy` tells them apart. Where the rows have no such data, what a
calculator left is read, in eV and ångström.

Sources: github.com/schnarc/SchNarc, `data.py` and `calculators.py`; github.com/CompPhotoChem/SPaiNN,
`asetools/generate_db.py`, `asetools/aseutils.py` and `asetools/convert_db.py`.
"""

import re
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from nadyn.checks.counts import counted
from nadyn.checks.errors import InputError, InputWarning
from nadyn.checks.files import check_file
from nadyn.data.dataset import Dataset, Group, state_pairs, with_source
from nadyn.data.readers.ase_frames import dataset_of_frames
from nadyn.data.readers.ase_matrices import dipole_matrix, spin_orbit_matrix
from nadyn.data.readers.ase_rows import KEYS, Row, Units, charge_of, content_of, renamed
from nadyn.data.readers.extxyz_labels import OPTIONS, Keys
from nadyn.data.readers.extxyz_text import FrameNotes
from nadyn.data.readers.inverse_length import couplings_in
from nadyn.data.readers.reader import (
    Reader,
    ReadOptions,
    in_words,
    unused_name,
)
from nadyn.data.validation import group_from_arrays, located
from nadyn.structures import formula

_READ = ("energy", "forces", "nacs", "smooth_nacs", "dipoles", "socs", "charge")
# Flags and copies that say nothing new.
_IDLE = ("has_forces", "_idx")

# Warned of, and kept in the note of the dataset.
_NOBODY_SAYS = "the metadata tell no multiplicities; all states are taken as singlets"


@dataclass(frozen=True)
class _States:
    """How the labels of one molecule are laid out."""

    multiplicities: tuple[int, ...]
    atoms_first: bool

    @property
    def n_states(self) -> int:
        return len(self.multiplicities)

    def pairs_of_one_spin(self) -> list[int]:
        """Return the places of the pairs of states of one multiplicity among all pairs."""
        spins = self.multiplicities
        return [n for n, (k, l) in enumerate(state_pairs(self.n_states)) if spins[k] == spins[l]]


def read_ase_database(path: str | Path, options: ReadOptions | None = None) -> Dataset:
    """Read a database; the module says what it holds.

    Warns (`InputWarning`) of labels that are not read.

    Args:
        path: The file.
        options: Multiplicities, names and units, where the metadata do not give them.

    Raises:
        InputError: The file is missing or damaged, a row has no energies, a unit is not said,
            or the multiplicities contradict the metadata or the number of spin-orbit couplings.
    """
    path, options = Path(path), options or ReadOptions()
    multiplicities = options.multiplicities
    with located(f"ASE database {str(path)!r}"):
        check_file(path, "the file")
        options.check_labels({"energies", "forces", "positions"}, "ASE databases")
        metadata, rows = content_of(path)
        if not rows:
            raise InputError("the file must hold a row, but is empty.")
        own = {key: name for name in KEYS if (key := options.key_of(name)) is not None}
        if own:
            rows = [renamed(row, own) for row in rows]
        if all("energy" not in row.data for row in rows) and all(
            row.get("energy") is not None for row in rows
        ):
            frames = ((row.toatoms(), FrameNotes()) for row in rows)
            dataset = dataset_of_frames(frames, Keys.of(options), multiplicities)
            return with_source(dataset, path.name)
        units = Units.of(metadata, options)
        kinds: dict[tuple, list] = {}
        for row in rows:
            key = tuple(row.numbers.tolist()), tuple(map(bool, row.pbc))
            kinds.setdefault(key, []).append(row)
        groups: dict[str, Group] = {}
        for (numbers, _), members in kinds.items():
            name = unused_name(formula(numbers), groups)
            with located(f"group {name!r}"):
                groups[name] = _group(name, members, metadata, units, multiplicities, path)
        return Dataset(tuple(groups.values()))


def _group(
    name: str,
    rows: list[Row],
    metadata: dict[str, object],
    units: Units,
    multiplicities: tuple[int, ...] | None,
    path: Path,
) -> Group:
    _warn_of_unread(rows)
    first = rows[0].data
    if "energy" not in first:
        raise InputError("each row must have `energy` among its data, but the first has none.")
    n_states = np.asarray(first["energy"]).size
    spins = _spins(metadata, n_states, multiplicities)
    guess = "" if multiplicities or _said(metadata, n_states) else _NOBODY_SAYS
    states = _States(spins, atoms_first=np.asarray(first["energy"]).ndim == 2)
    energies = _stacked(rows, "energy").reshape(len(rows), -1) * units.energy
    n_atoms, numbers = len(rows[0].numbers), rows[0].numbers.astype(np.int64)
    if energies.shape[1] != len(spins):
        raise InputError(f"`energy` must have {counted(len(spins), 'state')}, but has {energies.shape[1]}.")
    periodic = bool(np.any(rows[0].pbc))
    labels = {
        "forces": _forces(_stacked(rows, "forces"), states, n_atoms, units.force),
        "interstate_couplings": _couplings(rows, energies, states, n_atoms, metadata),
        "dipoles": dipole_matrix(_stacked(rows, "dipoles"), states.multiplicities),
        "spin_orbit": spin_orbit_matrix(
            _stacked(rows, "socs"), states.multiplicities, asked=multiplicities is not None
        ),
    }
    group = group_from_arrays(
        name,
        atomic_numbers=numbers,
        positions=np.stack([row.positions for row in rows]) * units.length,
        energies=energies,
        cell=np.stack([np.asarray(row.cell) for row in rows]) * units.length if periodic else None,
        pbc=rows[0].pbc,
        charge=charge_of(rows, metadata),
        multiplicities=spins,
        theory=str(metadata.get("ReferenceMethod", "")),
        source=path.name,
        note="; ".join(text for text in (" ".join(str(metadata.get("info", "")).split()), guess) if text),
        **labels,
    )
    return replace(group, assumed=group.assumed | {"multiplicities"}) if guess else group


def _warn_of_unread(rows: list) -> None:
    unread = sorted({key for row in rows for key in row.data if key not in _READ + _IDLE})
    if unread:
        warnings.warn(
            f"not read: {', '.join(f'`{key}`' for key in unread)}. Known are {', '.join(_READ)}.",
            InputWarning,
            stacklevel=4,
        )


def _spins(
    metadata: dict[str, object], n_states: int, given: tuple[int, ...] | None = None
) -> tuple[int, ...]:
    """Return the multiplicities that the metadata give, or those given; warn where nobody says them."""
    said = _said(metadata, n_states)
    if said and given and said != given:
        raise InputError(
            f"the multiplicities must be those of the metadata, {in_words(said)}, but `--multiplicities` "
            f"says {in_words(given)}, which would leave out or misplace couplings. Remove the option, or "
            "correct the metadata."
        )
    if said or given:
        return said or given
    if any(metadata.get(key) for key in ("states", "n_singlets", "n_triplets")):
        raise InputError(
            f"the metadata must tell the multiplicities of {counted(n_states, 'state')}, but tell of "
            f"{int(metadata.get('n_singlets', 0) or 0)} singlets and "
            f"{int(metadata.get('n_triplets', 0) or 0)} triplets. Give `--multiplicities`."
        )
    warnings.warn(f"{_NOBODY_SAYS}.", InputWarning, stacklevel=5)
    return (1,) * n_states


def _said(metadata: dict[str, object], n_states: int) -> tuple[int, ...] | None:
    """Return what the metadata say; SHARC's `states`, such as `S S T`, counts too."""
    words = str(metadata.get("states", "")).split()
    numbers = {"S": 1, "D": 2, "T": 3, "Q": 4}
    if len(words) == n_states and all(word in numbers for word in words):
        return tuple(numbers[word] for word in words)
    counts = int(metadata.get("n_singlets", 0) or 0), int(metadata.get("n_triplets", 0) or 0)
    if sum(counts) == n_states:
        return (1,) * counts[0] + (3,) * counts[1]
    return None


def _stacked(rows: list, key: str) -> np.ndarray | None:
    """Return a label of all rows, NaN where one lacks it; None if all do."""
    found = [np.asarray(row.data[key], dtype=np.float64) if key in row.data else None for row in rows]
    shapes = {item.shape for item in found if item is not None}
    if not shapes:
        return None
    if len(shapes) > 1:
        raise InputError(f"`{key}` must have one shape in all rows, but has {sorted(shapes)}.")
    shape = shapes.pop()
    if key == "energy" and any(item is None for item in found):
        raise InputError("each row must have `energy` among its data, but one has none.")
    return np.stack([np.full(shape, np.nan) if item is None else item for item in found])


def _by_state(
    given: np.ndarray | None, n: int, n_atoms: int, atoms_first: bool, name: str
) -> np.ndarray | None:
    """Return (frame, n, atom, 3), n being the number of states or pairs."""
    if given is None:
        return None
    for shape, turned in (((n_atoms, n, 3), True), ((n, n_atoms, 3), False)):
        # Where both shapes are the same, the layout of the program decides.
        if given.shape[1:] == shape and (turned == atoms_first or n != n_atoms):
            return given.transpose(0, 2, 1, 3) if turned else given
    raise InputError(
        f"`{name}` must have shape ({n_atoms}, {n}, 3) or ({n}, {n_atoms}, 3), but has {given.shape[1:]}."
    )


def _forces(given: np.ndarray | None, states: _States, n_atoms: int, factor: float) -> np.ndarray | None:
    if given is None:
        return None
    if states.n_states == 1 and given.shape[1:] == (n_atoms, 3):
        return given[:, None] * factor
    return _by_state(given, states.n_states, n_atoms, states.atoms_first, "forces") * factor


def _couplings(
    rows: list[Row], energies: np.ndarray, states: _States, n_atoms: int, metadata: dict[str, object]
) -> np.ndarray | None:
    said = metadata.get("_property_unit_dict")
    said = said if isinstance(said, dict) else {}
    everything = state_pairs(states.n_states)
    for key in ("nacs", "smooth_nacs"):
        given = _stacked(rows, key)
        if given is None:
            continue
        places = list(range(len(everything)))
        if len(everything) not in given.shape[1:3]:
            places = states.pairs_of_one_spin()
        turned = _by_state(given, len(places), n_atoms, states.atoms_first, key)
        result = np.full((len(rows), len(everything), n_atoms, 3), np.nan)
        factor, is_d = _coupling_unit(str(said.get(key, "1")), key)
        result[:, places] = turned * factor
        if not is_d:
            return -result
        gaps = np.stack([energies[:, l] - energies[:, k] for k, l in everything], axis=1)
        return result * gaps[:, :, None, None]
    return None


def _coupling_unit(unit: str, key: str) -> tuple[float, bool]:
    """Return the factor of couplings to atomic units, which `1` means, and whether they are d."""
    if unit.strip().lower() in ("1", "", "none", "a.u."):
        return 1.0, key == "nacs"
    factor, is_d = couplings_in(re.sub(r"(?i)\bang\b", "angstrom", unit))
    if is_d != (key == "nacs"):
        raise InputError(
            f"the unit of `{key}` must be that of "
            f"{'d, one over a length' if key == 'nacs' else 'h, a force'}, "
            f"but is {unit!r} in the metadata."
        )
    return factor, is_d


def _recognises(content: bytes) -> bool:
    return content.startswith(b"SQLite format 3\x00")


ASE_DATABASE = Reader("ASE database", _recognises, read_ase_database, OPTIONS)
