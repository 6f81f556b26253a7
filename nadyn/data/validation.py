"""From arrays of any origin to a group that can be trusted, or one sentence about what is wrong."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from nadyn.checks.errors import InputError, InputWarning
from nadyn.data.arrays import LABELS, check_array
from nadyn.data.dataset import Group
from nadyn.data.label_checks.force_sign import contradiction
from nadyn.data.label_checks.odd_frames import absurd_energies, lone_atoms
from nadyn.structures import symbol
from nadyn.structures.geometry import COINCIDENT_ATOMS_BOHR
from nadyn.units import ANGSTROM_PER_BOHR, ELECTRONVOLT_PER_HARTREE, HARTREE_PER_EV

# Rounding of single precision may turn the order of two states over; more is a wrong order.
ORDER_TOLERANCE_HARTREE = 0.01 * HARTREE_PER_EV


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
    spin_orbit: np.ndarray | None = None,
    cell: np.ndarray | None = None,
    pbc: Sequence[bool] | np.ndarray = (False, False, False),
    stress: np.ndarray | None = None,
    charge: int = 0,
    multiplicities: Sequence[int] | np.ndarray | None = None,
    theory: str = "",
    source: str = "",
    licence: str = "",
    note: str = "",
) -> Group:
    """Return a checked group; all arrays in atomic units, shapes and signs as in `Group`.

    Warns (`InputWarning`) where states do not ascend, where the forces contradict the energies, of a few
    energies far from all others, and of atoms that are alone in some frames with nothing on the way to it.

    Args:
        name: Name of the molecule.
        atomic_numbers: One number an atom.
        positions: Nuclear positions [bohr].
        energies: Energies [hartree].
        forces: Forces [hartree/bohr].
        interstate_couplings: h_kl [hartree/bohr], one entry a pair.
        dipoles: Dipole matrix [e bohr].
        spin_orbit: Spin-orbit matrix [hartree], real and imaginary part.
        cell: Cell vectors as rows [bohr].
        pbc: Which directions are periodic.
        stress: Stress [hartree/bohr³].
        charge: Total charge [e].
        multiplicities: 2S + 1 of each state; all singlets if None.
        theory: Level of theory.
        source: Where the data are from.
        licence: Licence of the data.
        note: Anything else.

    Raises:
        InputError: A wrong shape, NaN positions or energies, half-missing labels, an unknown element, two
            atoms in one place, a periodic direction without a cell, or a wrong number of multiplicities.
    """
    numbers = _atomic_numbers(atomic_numbers)
    arrays = {
        "positions": positions,
        "energies": energies,
        "forces": forces,
        "interstate_couplings": interstate_couplings,
        "dipoles": dipoles,
        "spin_orbit": spin_orbit,
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
        charge=int(charge),
        multiplicities=spins,
        theory=theory,
        source=source,
        licence=licence,
        note=note,
        **labels,
    )
    _check_distances(group)
    _warn_of_order(group)
    for sentence in (contradiction(group), absurd_energies(group), lone_atoms(group)):
        if sentence:
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


def _multiplicities(given: Sequence[int] | np.ndarray | None, n_states: int) -> tuple[int, ...]:
    if given is None:
        return (1,) * n_states
    spins = tuple(int(spin) for spin in np.atleast_1d(given))
    if len(spins) != n_states or min(spins) < 1:
        raise InputError(
            f"`multiplicities` must hold 2S+1 of each of the {n_states} states, but is {list(spins)}."
        )
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


def _check_distances(group: Group) -> None:
    """Refuse two atoms in one place, images included."""
    first, second = np.triu_indices(group.n_atoms, k=1)
    # A few frames at a time: all pairs of all frames of a large molecule would fill the memory.
    step = max(1, 2_000_000 // max(1, len(first)))
    for start in range(0, group.n_frames, step):
        frames = slice(start, start + step)
        vectors = group.positions[frames, second] - group.positions[frames, first]
        if group.pbc.any() and group.cell is not None:
            cell = group.cell[frames]
            fractional = vectors @ np.linalg.inv(cell)
            vectors = (fractional - np.round(fractional) * group.pbc) @ cell
        distances = np.linalg.norm(vectors, axis=-1)
        if distances.size and distances.min() < COINCIDENT_ATOMS_BOHR:
            frame, pair = np.unravel_index(np.argmin(distances), distances.shape)
            distance = distances[frame, pair] * ANGSTROM_PER_BOHR
            raise InputError(
                f"`positions` must keep atoms apart, but in frame {start + frame} atoms {first[pair]} and "
                f"{second[pair]} are {distance:.3f} angstrom apart. Remove that frame."
            )


def _warn_of_order(group: Group) -> None:
    spins = np.array(group.multiplicities)
    steps = np.where(spins[1:] == spins[:-1], np.diff(group.energies, axis=1), np.inf)
    if steps.size and steps.min() < -ORDER_TOLERANCE_HARTREE:
        frame, state = np.unravel_index(np.argmin(steps), steps.shape)
        gap = -steps[frame, state] * ELECTRONVOLT_PER_HARTREE
        warnings.warn(
            f"group {group.name!r}: states must ascend in energy, but in frame {frame} state {state + 1} is "
            f"{gap:.3f} eV below state {state}. Adiabatic states are meant; sort them with all their labels.",
            InputWarning,
            stacklevel=3,
        )
