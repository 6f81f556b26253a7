"""Trajectories in H5MD (HDF5 for molecular data), of which the potential energy was written too.

Read are `particles/GROUP` (`position`, `box/edges`, `species` or `names`, `mass`) and the energies:
`observables/state_energies`, which MLatom writes of several states, or `potential_energy` of `observables` or
`observables/GROUP`; frames of one step belong together. Where forces and couplings stand, `h5md_states` says.
In a file with the module `thermodynamics` the energy is the mean a particle, and is multiplied by their
number; elsewhere it is that of the whole, and a warning says so. Units stand in the attribute `unit` of a
value (module `units`), such as `kJ mol-1 nm-1`; MLatom writes none, and always ångström, hartree and their
quotients, and 1/ångström of d. Species are an enumeration of elements, or numbers that are taken as atomic
numbers with a warning. Velocities, images and other observables are not read.

Source: P. de Buyl, P. H. Colberg and F. Höfling, Comput. Phys. Commun. 185, 1546 (2014), and the modules
`thermodynamics` and `units` at nongnu.org/h5md; MLatom 3.25.5, `data.py`; of Newton-X NS what ULaMDyn
(gitlab.com/light-and-molecules/ulamdyn) reads of its `dyn.h5`.
"""

import warnings
from pathlib import Path

import h5py
import numpy as np

from nadyn.checks.damaged import DAMAGED
from nadyn.checks.errors import InputError, InputWarning
from nadyn.checks.hdf5 import check_self_contained
from nadyn.checks.packed import for_library
from nadyn.data.dataset import Dataset
from nadyn.data.hdf5_outline import is_h5md
from nadyn.data.readers.h5md_elements import Units, at_steps, element, word
from nadyn.data.readers.h5md_states import couplings_at, forces_at
from nadyn.data.readers.reader import Reader, ReadOptions
from nadyn.data.readers.rows import unusual_masses
from nadyn.data.validation import group_from_arrays, located
from nadyn.structures import atomic_number, formula, is_element, masses
from nadyn.units import ELECTRON_MASS_PER_DALTON, ELECTRONVOLT_PER_HARTREE

_LABELS = frozenset({"positions", "energies", "forces", "cell", "interstate_couplings"})
_OF_MLATOM = {
    "positions": "angstrom",
    "energies": "hartree",
    "forces": "hartree/angstrom",
    "interstate_couplings": "1/angstrom",
}


def read_h5md(path: str | Path, options: ReadOptions | None = None) -> Dataset:
    """Read a trajectory in H5MD; the module says what of it.

    Args:
        path: The file.
        options: `keys` {"energies": "observables/energy"} names the energies, `units` what the file lacks.

    Raises:
        InputError: The file is damaged or of another kind, has no positions, energies, elements or units, or
            several groups of particles.
    """
    path, options = Path(path), options or ReadOptions()
    with located(f"H5MD file {str(path)!r}"):
        options.check_labels(_LABELS, "H5MD")
        try:
            with h5py.File(for_library(path), "r") as file:
                check_self_contained(file, packed=path.stat().st_size)
                return _dataset(file, options, path.name)
        except InputError:
            raise
        except DAMAGED as error:
            raise InputError("the file must be whole, but is truncated or damaged. Copy it again.") from error


def _dataset(file: h5py.File, options: ReadOptions, source: str) -> Dataset:
    name, particles = _particles(file)
    units = Units(options, _OF_MLATOM if _is_of_mlatom(file) else {})
    value, steps = element(particles, "position")
    if value.ndim != 3 or value.shape[2] != 3:
        raise InputError(f"`position` must be of frames, atoms and 3, but has shape {value.shape}.")
    positions = value[...].astype(np.float64) * units.factor(value, "positions")
    numbers = _numbers(particles, positions.shape[1])
    energies, energy_steps = _energies(file, name, options, units, len(numbers))
    common, of_positions, of_energies = np.intersect1d(steps, energy_steps, return_indices=True)
    if not len(common):
        raise InputError("positions and energies must share a step, but share none.")
    energies = energies[of_energies]
    periodic, cell = _box(particles, common, units)
    mass = _masses(particles, numbers)
    group = group_from_arrays(
        formula(numbers, mass),
        atomic_numbers=numbers,
        masses=mass,
        positions=positions[of_positions],
        energies=energies,
        forces=forces_at(file, particles, energies.shape[1], common, units),
        interstate_couplings=couplings_at(file, particles, energies, common, units),
        cell=cell,
        pbc=periodic,
        multiplicities=options.multiplicities,
        charge=options.charge,
        source=source,
    )
    return Dataset((group,))


def _is_of_mlatom(file: h5py.File) -> bool:
    # A name of its own active learning, which it writes always.
    return "observables/need_to_be_labeled" in file


def _particles(file: h5py.File) -> tuple[str, h5py.Group]:
    groups = list(file["particles"]) if "particles" in file else []
    if len(groups) != 1:
        found = ", ".join(groups) or "none"
        raise InputError(f"`particles` must hold one group, but holds {found}. Write one file for each.")
    return groups[0], file["particles"][groups[0]]


def _energies(
    file: h5py.File, name: str, options: ReadOptions, units: Units, n_atoms: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the energies (frame, state) in hartree, and their steps."""
    usual = [f"observables/{part}" for part in ("state_energies", f"{name}/potential_energy")]
    usual.append("observables/potential_energy")
    place = options.key_of("energies") or next((one for one in usual if one in file), None)
    if place is None or place not in file:
        raise InputError(
            "the file must hold energies as `observables/potential_energy`, but does not. Name them as in "
            "`--key energies=observables/energy`; geometries alone are no data."
        )
    value, steps = element(file, place)
    energies = value[...].astype(np.float64).reshape(len(value), -1) * units.factor(value, "energies")
    if options.key_of("energies") is None and place.endswith("potential_energy"):
        energies = energies * _of_the_whole(file, n_atoms)
    if value.dtype.itemsize < 8 and len(energies):
        digit = np.finfo(value.dtype).eps * np.abs(energies).max() * ELECTRONVOLT_PER_HARTREE * 1000.0
        warnings.warn(
            f"`{place}` is stored in single precision: energies are known to {digit:.1g} meV. Another file "
            "of the program, such as the JSON of MLatom, may hold all digits.",
            InputWarning,
            stacklevel=2,
        )
    return energies, steps


def _numbers(particles: h5py.Group, n_atoms: int) -> np.ndarray:
    """Return the atomic numbers."""
    if (named := _names(particles, n_atoms)) is not None:
        return named
    if "species" not in particles:
        raise InputError("`species` must say the elements, but is missing.")
    kind = particles["species"]
    values = kind["value"] if isinstance(kind, h5py.Group) else kind
    names = h5py.check_enum_dtype(values.dtype)
    found = values[...] if isinstance(kind, h5py.Dataset) else values[0]
    if found.shape != (n_atoms,):
        raise InputError(f"`species` must have one entry for each of {n_atoms} atoms, but has {found.shape}.")
    if names:
        symbols = {number: name.capitalize() for name, number in names.items()}
        strange = [name for name in symbols.values() if not is_element(name)]
        if strange:
            raise InputError(f"`species` must be elements, but names {', '.join(strange)}.")
        return np.array([atomic_number(symbols[int(number)]) for number in found])
    if not _is_of_mlatom(particles.file):
        warnings.warn(
            "`species` are numbers without names; they are taken as atomic numbers.", InputWarning, 2
        )
    return found.astype(np.int64)


def _names(particles: h5py.Group, n_atoms: int) -> np.ndarray | None:
    """Return the atomic numbers of `names`, where these are the symbols of elements."""
    names = particles.get("names")
    if not isinstance(names, h5py.Dataset) or names.shape != (n_atoms,):
        return None
    symbols = [word(one).strip().capitalize() for one in names[...]]
    if not all(is_element(one) for one in symbols):
        return None
    return np.array([atomic_number(one) for one in symbols])


def _masses(particles: h5py.Group, numbers: np.ndarray) -> np.ndarray | None:
    """Return the masses [electron mass] where they are not those of the most abundant isotopes."""
    found = particles.get("mass")
    if not isinstance(found, h5py.Dataset) or found.shape != numbers.shape:
        return None
    given, usual = found[...].astype(np.float64), masses(numbers)
    for unit in (ELECTRON_MASS_PER_DALTON, 1.0):
        if np.isfinite(given).all() and (np.abs(np.log(given * unit / usual)) < np.log(4.0)).all():
            own = unusual_masses(tuple(numbers.tolist()), given * unit)
            return None if own is None else np.array(own)
    warnings.warn("`mass` is neither in u nor in electron masses, and was not read.", InputWarning, 2)
    return None


def _of_the_whole(file: h5py.File, n_atoms: int) -> float:
    """Return what turns the energy of the file into that of all particles."""
    if "h5md/modules/thermodynamics" in file:
        return float(n_atoms)
    if not _is_of_mlatom(file):
        warnings.warn(
            "the file does not say whether `potential_energy` is a mean a particle; it is taken as that of "
            "all.",
            InputWarning,
            stacklevel=2,
        )
    return 1.0


def _box(
    particles: h5py.Group, common: np.ndarray, units: Units
) -> tuple[tuple[bool, ...], np.ndarray | None]:
    """Return which directions are periodic, and the cell at each step [bohr]."""
    box = particles.get("box")
    words = [] if box is None else [word(one) for one in np.atleast_1d(box.attrs.get("boundary", []))]
    periodic = tuple(one == "periodic" for one in words) if len(words) == 3 else (False,) * 3
    if not any(periodic) or "edges" not in box:
        return (False,) * 3, None
    edges = box["edges"]
    if isinstance(edges, h5py.Group):
        value, steps = element(box, "edges")
        values = at_steps(value[...].astype(np.float64), steps, common) * units.factor(value, "cell")
    else:
        values = edges[...].astype(np.float64) * units.factor(edges, "cell")
        values = np.broadcast_to(values, (len(common), *values.shape))
    # The lengths of a box, or its vectors as rows.
    return periodic, _cells(values)


def _cells(values: np.ndarray) -> np.ndarray:
    return values[:, :, None] * np.eye(3) if values.ndim == 2 else np.array(values)


H5MD = Reader("trajectory in H5MD", is_h5md, read_h5md, frozenset({"keys", "units", "multiplicities"}))
