"""From arrays of any origin to a group that can be trusted, or one sentence about what is wrong."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from nadyn.checks.errors import InputError, InputWarning
from nadyn.checks.shapes import check_shape
from nadyn.data.arrays import LABELS, SYMMETRIC_FROM, check_array, check_orthonormal, symmetric
from nadyn.data.dataset import Group
from nadyn.data.dipole_origin import check_origin
from nadyn.data.frames_in_words import frames_in_words
from nadyn.data.label_checks.force_sign import contradiction
from nadyn.data.state_order import check_for_other_spins, ordered, out_of_order
from nadyn.structures import symbol
from nadyn.structures.cells import check_images
from nadyn.structures.distances import close_pairs
from nadyn.structures.geometry import COINCIDENT_ATOMS_BOHR
from nadyn.units import ANGSTROM_PER_BOHR


@contextmanager
def located(where: str) -> Iterator[None]:
    """Put the place of a problem in front of its sentence."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def group_from_arrays(
    name: str,
    *,
    atomic_numbers: Sequence[int] | np.ndarray,
    positions: np.ndarray,
    energies: np.ndarray,
    forces: np.ndarray | None = None,
    interstate_couplings: np.ndarray | None = None,
    dipoles: np.ndarray | None = None,
    polarisabilities: np.ndarray | None = None,
    charges: np.ndarray | None = None,
    spin_orbit: np.ndarray | None = None,
    spin_orbit_norms: np.ndarray | None = None,
    eigenvectors: np.ndarray | None = None,
    cell: np.ndarray | None = None,
    pbc: Sequence[bool] | np.ndarray = (False, False, False),
    stress: np.ndarray | None = None,
    masses: np.ndarray | None = None,
    charge: int | None = None,
    multiplicities: Sequence[int] | np.ndarray | None = None,
    theory: str = "",
    source: str = "",
    licence: str = "",
    note: str = "",
    dipole_origin: str = "",
    weight: np.ndarray | None = None,
    tag: Sequence[str] | None = None,
) -> Group:
    """Return a checked group; all arrays in atomic units, shapes and signs as in `Group`.

    States that do not ascend in energy are sorted, with all their labels. Warns (`InputWarning`) of that,
    and where the forces contradict the energies.

    Args:
        name: Name of the molecule.
        atomic_numbers: One number an atom.
        positions: Nuclear positions [bohr].
        energies: Energies [hartree].
        forces: Forces [hartree/bohr].
        interstate_couplings: h_kl [hartree/bohr], one entry a pair.
        dipoles: Dipole matrix [e bohr].
        polarisabilities: Polarisability of each state [bohr³].
        charges: Charge of each atom [e].
        spin_orbit: Spin-orbit matrix [hartree], real and imaginary part.
        spin_orbit_norms: Size of the spin-orbit coupling of two states [hartree].
        eigenvectors: Of a diabatic matrix whose eigenvalues are the energies, one row a diabatic state.
        cell: Cell vectors as rows [bohr].
        pbc: Which directions are periodic.
        stress: Stress [hartree/bohr³].
        masses: Mass of each atom [electron mass], where it is not that of the most abundant isotope.
        charge: Total charge [e]; 0 if None.
        multiplicities: 2S + 1 of each state; all singlets if None.
        theory: Level of theory.
        source: Where the data are from.
        licence: Licence of the data.
        note: Anything else.
        dipole_origin: What the dipoles of an ion are about: coordinates (the origin of the positions),
            center_of_mass or center_of_charge.
        weight: How much each frame counts in the loss.
        tag: A word on each frame.

    Raises:
        InputError: A name that a file cannot hold, a wrong shape, NaN positions or energies, half-missing
            labels, a polarisability or stress that is not symmetric, eigenvectors that are not orthonormal,
            an unknown origin of dipoles, an unknown element, two atoms in one place, a periodic
            direction without a cell, a cell that is too thin, a wrong number of multiplicities, or states
            that seem to be of several ones of which nothing is said.
    """
    check_name(name)
    numbers = _atomic_numbers(atomic_numbers)
    arrays = {
        "positions": positions,
        "energies": energies,
        "forces": forces,
        "interstate_couplings": interstate_couplings,
        "dipoles": dipoles,
        "polarisabilities": polarisabilities,
        "charges": charges,
        "spin_orbit": spin_orbit,
        "spin_orbit_norms": spin_orbit_norms,
        "eigenvectors": eigenvectors,
        "cell": cell,
        "stress": stress,
    }
    given = {key: np.asarray(array, dtype=np.float64) for key, array in arrays.items() if array is not None}
    lengths = {"n_atoms": len(numbers)}
    check_array("positions", given["positions"], lengths)
    lengths["n_frames"] = len(given["positions"])
    check_array("energies", given["energies"], lengths)
    n_states = given["energies"].shape[1]
    if lengths["n_frames"] == 0 or n_states == 0:
        raise InputError(f"`energies` must not be empty, but has shape {given['energies'].shape}.")
    spins = _multiplicities(multiplicities, n_states)
    lengths |= {"n_states": n_states, "n_pairs": n_states * (n_states - 1) // 2, "n_spin_states": sum(spins)}
    for key, array in given.items():
        check_array(key, array, lengths)
    for key in given.keys() & SYMMETRIC_FROM.keys():
        given[key] = symmetric(key, given[key])
    if "eigenvectors" in given:
        check_orthonormal(given["eigenvectors"])
    check_origin(dipole_origin)
    mass = _masses(masses, len(numbers))
    if multiplicities is None:
        check_for_other_spins(given["energies"])
    unordered = out_of_order(given["energies"], spins)
    if unordered.any():
        _warn_of_order(name, unordered)
        given = ordered(given, spins, unordered)
    periodic = _pbc(pbc)
    _check_cell(given.get("cell"), periodic)
    # A label that no frame has is the same as no array.
    labels = {
        key: array if array is not None and array.size and not np.isnan(array).all() else None
        for key, array in ((key, given.get(key)) for key in LABELS)
    }
    group = Group(
        name=name,
        atomic_numbers=numbers,
        positions=given["positions"],
        energies=given["energies"],
        cell=given.get("cell"),
        pbc=periodic,
        masses=mass,
        charge=0 if charge is None else _charge(charge),
        multiplicities=spins,
        theory=theory,
        source=source,
        licence=licence,
        note=note,
        dipole_origin=dipole_origin,
        assumed=frozenset(
            key for key, value in (("charge", charge), ("multiplicities", multiplicities)) if value is None
        ),
        weight=_weight(weight, lengths["n_frames"]),
        tag=_tag(tag, lengths["n_frames"]),
        **labels,
    )
    _check_distances(group)
    if sentence := contradiction(group):
        warnings.warn(f"group {name!r}: {sentence}", InputWarning, stacklevel=2)
    return group


def _atomic_numbers(given: Sequence[int] | np.ndarray) -> np.ndarray:
    numbers = np.asarray(given)
    if numbers.ndim != 1 or len(numbers) == 0 or not np.issubdtype(numbers.dtype, np.integer):
        raise InputError(
            f"`atomic_numbers` must be a list of whole numbers, but has shape {numbers.shape} "
            f"and type {numbers.dtype}."
        )
    for number in np.unique(numbers):
        symbol(int(number))
    return numbers.astype(np.int64)


def check_name(name: str) -> None:
    """Refuse a name of a group that a file cannot hold.

    Raises:
        InputError: It is empty, a dot, or has a slash, at which HDF5 opens a folder.
    """
    if not name or name == "." or "/" in name or "\0" in name:
        raise InputError(
            f"the name of a group must be a word without `/`, but is {name!r}. Try "
            f"{name.replace('/', '_').strip('.') or 'molecule'!r}."
        )


def _charge(given: int | float) -> int:
    if not float(given).is_integer():
        raise InputError(f"`charge` must be a whole number, but is {float(given):g}.")
    return int(given)


def _masses(given: np.ndarray | None, n_atoms: int) -> np.ndarray | None:
    if given is None:
        return None
    masses = np.asarray(given, dtype=np.float64)
    check_array("masses", masses, {"n_atoms": n_atoms})
    if masses.min() <= 0:
        raise InputError(f"`masses` must be positive, but that of atom {int(np.argmin(masses))} is not.")
    return masses


def _weight(given: np.ndarray | None, n_frames: int) -> np.ndarray | None:
    if given is None:
        return None
    weight = np.asarray(given, dtype=np.float64)
    check_shape("weight", weight.shape, (n_frames,))
    bad = ~(np.isfinite(weight) & (weight > 0))
    if bad.any():
        frame = int(np.argmax(bad))
        raise InputError(
            f"`weight` must be above 0, but frame {frame} has {weight[frame]:g}. Leave out a frame that is "
            "not to count."
        )
    return weight


def _tag(given: Sequence[str] | None, n_frames: int) -> tuple[str, ...] | None:
    if given is None:
        return None
    if len(given) != n_frames:
        raise InputError(f"`tag` must have one word a frame, {n_frames} of them, but has {len(given)}.")
    tags = tuple(map(str, given))
    return tags if any(tags) else None


def _multiplicities(given: Sequence[int] | np.ndarray | None, n_states: int) -> tuple[int, ...]:
    if given is None:
        return (1,) * n_states
    values = np.atleast_1d(np.asarray(given)).tolist()
    if len(values) != n_states or not all(float(spin).is_integer() and spin >= 1 for spin in values):
        raise InputError(
            f"`multiplicities` must hold 2S+1 of each of the {n_states} states, but is {values}."
        )
    spins = tuple(int(spin) for spin in values)
    if list(spins) != sorted(spins):
        raise InputError(f"states must be ordered by multiplicity, then energy, but have {list(spins)}.")
    return spins


def _pbc(given: Sequence[bool] | np.ndarray) -> np.ndarray:
    periodic = np.asarray(given)
    if periodic.shape != (3,):
        raise InputError(f"`pbc` must have shape (3), but has shape {periodic.shape}.")
    return periodic.astype(bool)


def _check_cell(cell: np.ndarray | None, pbc: np.ndarray) -> None:
    if not pbc.any():
        return
    if cell is None:
        raise InputError("`cell` must be given where a direction is periodic, but is missing.")
    if (np.abs(np.linalg.det(cell)) < 1e-6).any():
        frame = int(np.argmin(np.abs(np.linalg.det(cell))))
        raise InputError(
            f"`cell` must span a volume, but that of frame {frame} is flat. "
            "Give directions that are not periodic any length."
        )
    check_images(cell, pbc)


def _check_distances(group: Group) -> None:
    """Refuse two atoms in one place, images included."""
    for frame, positions in enumerate(group.positions):
        cell = None if group.cell is None else group.cell[frame]
        pairs = close_pairs(positions, cutoff=COINCIDENT_ATOMS_BOHR, cell=cell, pbc=group.pbc)
        if pairs.distances.size:
            closest = int(np.argmin(pairs.distances))
            distance = pairs.distances[closest] * ANGSTROM_PER_BOHR
            raise InputError(
                f"`positions` must keep atoms apart, but in frame {frame} atoms {pairs.first[closest]} and "
                f"{pairs.second[closest]} are {distance:.3f} angstrom apart. Remove that frame."
            )


def _warn_of_order(name: str, unordered: np.ndarray) -> None:
    warnings.warn(
        f"group {name!r}: states must ascend in energy, but do not in {frames_in_words(unordered)}; they "
        "were sorted there, each with all its labels.",
        InputWarning,
        stacklevel=3,
    )
