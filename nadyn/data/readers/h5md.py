"""Trajectories in H5MD (HDF5 for molecular data), of which the potential energy was written too.

Read are `particles/GROUP` (`position`, `box/edges`, `force`, `species`) and `potential_energy` of
`observables` or `observables/GROUP`; frames of one step belong together. In a file with the module
`thermodynamics` the energy is the mean a particle, and is multiplied by their number; elsewhere it is that of
the whole, and a warning says so. Units stand in the attribute `unit` of a value (module `units`), such as
`kJ mol-1 nm-1`. Species are an enumeration of elements, or numbers that are taken as atomic numbers with a
warning. Velocities, images and other observables are not read.

Source: P. de Buyl, P. H. Colberg and F. Höfling, Comput. Phys. Commun. 185, 1546 (2014), and the modules
`thermodynamics` and `units` at nongnu.org/h5md.
"""

import re
import warnings
from pathlib import Path

import h5py
import numpy as np

from nadyn.checks.errors import InputError, InputWarning
from nadyn.data.dataset import Dataset
from nadyn.data.hdf5_outline import is_h5md
from nadyn.data.readers.reader import Reader, ReadOptions, to_atomic
from nadyn.data.validation import group_from_arrays, located
from nadyn.structures import atomic_number, formula, is_element

_LABELS = frozenset({"positions", "energies", "forces", "cell"})
# What h5py and numpy raise of a file that is not what it seems.
_DAMAGED = (
    OSError,
    RuntimeError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    ArithmeticError,
    MemoryError,
)
_DIMENSIONS = {"positions": "length", "energies": "energy", "forces": "force", "cell": "length"}


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
            with h5py.File(path, "r") as file:
                return _dataset(file, options)
        except InputError:
            raise
        except _DAMAGED as error:
            raise InputError("the file must be whole, but is truncated or damaged. Copy it again.") from error


def _dataset(file: h5py.File, options: ReadOptions) -> Dataset:
    name, particles = _particles(file)
    positions, steps = _element(particles, "position", options, "positions")
    if positions.ndim != 3 or positions.shape[2] != 3:
        raise InputError(f"`position` must be of frames, atoms and 3, but has shape {positions.shape}.")
    numbers = _numbers(particles, positions.shape[1])
    usual = [f"observables/{part}potential_energy" for part in (f"{name}/", "")]
    place = options.key_of("energies") or next((one for one in usual if one in file), None)
    if place is None or place not in file:
        raise InputError(
            "the file must hold energies as `observables/potential_energy`, but does not. Name them as in "
            "`--key energies=observables/energy`; geometries alone are no data."
        )
    energies, energy_steps = _element(file, place, options, "energies")
    energies = energies.reshape(len(energies), -1)
    if options.key_of("energies") is None:
        energies = energies * _of_the_whole(file, len(numbers))
    common, of_positions, of_energies = np.intersect1d(steps, energy_steps, return_indices=True)
    if not len(common):
        raise InputError("positions and energies must share a step, but share none.")
    arrays = {"positions": positions[of_positions], "energies": energies[of_energies]}
    if "force" in particles:
        forces, force_steps = _element(particles, "force", options, "forces")
        arrays["forces"] = _at_steps(forces, force_steps, common)[:, None]
    periodic, cell = _box(particles, common, options)
    group = group_from_arrays(
        formula(numbers), atomic_numbers=numbers, **arrays, cell=cell, pbc=periodic, charge=options.charge
    )
    return Dataset((group,))


def _particles(file: h5py.File) -> tuple[str, h5py.Group]:
    groups = list(file["particles"]) if "particles" in file else []
    if len(groups) != 1:
        found = ", ".join(groups) or "none"
        raise InputError(f"`particles` must hold one group, but holds {found}. Write one file for each.")
    return groups[0], file["particles"][groups[0]]


def _element(
    parent: h5py.Group, place: str, options: ReadOptions, label: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return the values of a time-dependent element in atomic units, and their steps."""
    if place not in parent:
        raise InputError(f"`{place}` must be there, but is missing.")
    element = parent[place]
    if not isinstance(element, h5py.Group) or "value" not in element:
        raise InputError(f"`{place}` must hold `value` and `step`, but does not.")
    value = element["value"]
    if not np.issubdtype(value.dtype, np.number):
        raise InputError(f"`{place}` must hold numbers, but does not.")
    steps = element["step"][...] if "step" in element else np.arange(len(value))
    if steps.ndim == 0:
        # Equal intervals: the step is their length.
        offset = int(np.asarray(element["step"].attrs.get("offset", 0)))
        steps = offset + int(steps) * np.arange(len(value))
    if len(steps) < len(value):
        raise InputError(f"`{place}` must have a step for each of {len(value)} values, but has {len(steps)}.")
    return value[...].astype(np.float64) * _factor(value, label, options), steps[: len(value)]


def _factor(value: h5py.Dataset, label: str, options: ReadOptions) -> float:
    said = value.attrs.get("unit")
    said = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    return to_atomic(label, options, None if said is None else _quotient(str(said)), _DIMENSIONS[label])


def _quotient(unit: str) -> str:
    """Return a unit such as `kJ mol-1 nm-1` as kJ/mol/nm."""
    text = ""
    for word in unit.split():
        name, power = re.fullmatch(r"(.*?)\^?([+-]?\d+)?", word).groups()
        sign, size = ("/" if (power or "").startswith("-") else "*"), (power or "").lstrip("+-")
        text += f"{sign if text else ''}{name}" + (f"^{size}" if size not in ("", "1") else "")
    return text


def _numbers(particles: h5py.Group, n_atoms: int) -> np.ndarray:
    """Return the atomic numbers."""
    if "species" not in particles:
        raise InputError("`species` must say the elements, but is missing.")
    element = particles["species"]
    values = element["value"] if isinstance(element, h5py.Group) else element
    names = h5py.check_enum_dtype(values.dtype)
    found = values[...] if isinstance(element, h5py.Dataset) else values[0]
    if found.shape != (n_atoms,):
        raise InputError(f"`species` must have one entry for each of {n_atoms} atoms, but has {found.shape}.")
    if names:
        symbols = {number: name.capitalize() for name, number in names.items()}
        strange = [name for name in symbols.values() if not is_element(name)]
        if strange:
            raise InputError(f"`species` must be elements, but names {', '.join(strange)}.")
        return np.array([atomic_number(symbols[int(number)]) for number in found])
    warnings.warn("`species` are numbers without names; they are taken as atomic numbers.", InputWarning, 2)
    return found.astype(np.int64)


def _of_the_whole(file: h5py.File, n_atoms: int) -> float:
    """Return what turns the energy of the file into that of all particles."""
    if "h5md/modules/thermodynamics" in file:
        return float(n_atoms)
    warnings.warn(
        "the file does not say whether `potential_energy` is a mean a particle; it is taken as that of all.",
        InputWarning,
        stacklevel=2,
    )
    return 1.0


def _box(
    particles: h5py.Group, common: np.ndarray, options: ReadOptions
) -> tuple[tuple[bool, ...], np.ndarray | None]:
    """Return which directions are periodic, and the cell at each step [bohr]."""
    box = particles.get("box")
    words = [] if box is None else [_word(word) for word in np.atleast_1d(box.attrs.get("boundary", []))]
    periodic = tuple(word == "periodic" for word in words) if len(words) == 3 else (False,) * 3
    if not any(periodic) or "edges" not in box:
        return (False,) * 3, None
    edges = box["edges"]
    if isinstance(edges, h5py.Group):
        values, steps = _element(box, "edges", options, "cell")
        values = _at_steps(values, steps, common)
    else:
        values = edges[...].astype(np.float64) * _factor(edges, "cell", options)
        values = np.broadcast_to(values, (len(common), *values.shape))
    # The lengths of a box, or its vectors as rows.
    return periodic, _cells(values)


def _cells(values: np.ndarray) -> np.ndarray:
    return values[:, :, None] * np.eye(3) if values.ndim == 2 else np.array(values)


def _at_steps(values: np.ndarray, steps: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the values at some steps; NaN where there is none."""
    result = np.full((len(wanted), *values.shape[1:]), np.nan)
    _, there, here = np.intersect1d(wanted, steps, return_indices=True)
    result[there] = values[here]
    return result


def _word(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


H5MD = Reader("trajectory in H5MD", is_h5md, read_h5md, frozenset({"keys", "units"}))
