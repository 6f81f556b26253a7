"""Initial conditions of a set of trajectories, and their HDF5 file."""

import io
import json
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from jaxtyping import Float, Int

from nadyn.checks.errors import InputError
from nadyn.checks.files import check_file
from nadyn.checks.hdf5 import CHECKSUMS, add_array, check_self_contained
from nadyn.checks.json_text import parse_json
from nadyn.checks.kinds import Kind, kind_of
from nadyn.checks.output import write_new
from nadyn.checks.seal import check_seal, sealed
from nadyn.checks.shapes import check_shape
from nadyn.units import to_atomic_units

FORMAT = "nadyn-initial"
VERSION = 1

# array -> (unit as written, dimension). Generalised coordinates are in the atomic units of their model.
_UNITS = {
    "positions": ("bohr", "length"),
    "momenta": ("electron_mass*bohr/au_time", "momentum"),
    "weight": ("1", "none"),
    "masses": ("electron_mass", "mass"),
}
_CELL = ("bohr", "length")
# Vectors that span less than this part of the box of their lengths are in one plane.
_FLAT = 1e-6


@dataclass(frozen=True, eq=False)
class InitialConditions:
    """Where trajectories start, in atomic units.

    Attributes:
        positions: Nuclear positions [bohr], or generalised coordinates (last axis of length 1).
        momenta: Nuclear momenta [electron mass * bohr / au of time].
        weight: Statistical weight of each trajectory.
        masses: Mass of each atom or coordinate [electron mass].
        atomic_numbers: One number an atom, or None for generalised coordinates.
        state: Adiabatic state that every trajectory starts on, or None.
        diabatic_state: Diabatic state that every trajectory starts in, or None.
        origin: One sentence that says how these were made.
        temperature_kelvin: Temperature of the sample, or None where it has none.
        notices: Sentences about what a user of them should know, such as soft modes.
        states: Adiabatic state that each trajectory starts on, where they differ; None where `state` says it.
        cell: Cell vectors of all of them as rows [bohr]; None without a periodic direction.
        pbc: Which directions are periodic.
    """

    positions: Float[np.ndarray, "traj atom x"]
    momenta: Float[np.ndarray, "traj atom x"]
    weight: Float[np.ndarray, "traj"]
    masses: Float[np.ndarray, "atom"]
    atomic_numbers: Int[np.ndarray, "atom"] | None
    state: int | None
    diabatic_state: int | None
    origin: str
    temperature_kelvin: float | None
    notices: tuple[str, ...] = ()
    states: Int[np.ndarray, "traj"] | None = None
    cell: Float[np.ndarray, "3 3"] | None = None
    pbc: tuple[bool, bool, bool] = (False, False, False)


def write_initial_conditions(path: str | Path, initial: InitialConditions) -> None:
    """Write initial conditions to an HDF5 file; the file appears whole or not at all.

    Raises:
        InputError: The folder does not exist or cannot be written to.
        RunError: The disk is full or refuses to be written.
    """
    # In memory first: the library does not survive a disk that becomes full under it.
    image = io.BytesIO()
    with h5py.File(image, "w", libver=CHECKSUMS) as file:
        file.attrs["format"] = FORMAT
        file.attrs["version"] = VERSION
        file.attrs["origin"] = initial.origin
        for name in ("state", "diabatic_state", "temperature_kelvin"):
            value = getattr(initial, name)
            if value is not None:
                file.attrs[name] = value
        if initial.notices:
            file.attrs["notices"] = json.dumps(list(initial.notices))
        for name, (unit, _) in _UNITS.items():
            add_array(file, name, np.asarray(getattr(initial, name), dtype=np.float64), unit=unit)
        whole_numbers = {"atomic_numbers": initial.atomic_numbers, "states": initial.states}
        if initial.cell is not None:
            add_array(file, "cell", np.asarray(initial.cell, dtype=np.float64), unit=_CELL[0])
            whole_numbers["pbc"] = np.array(initial.pbc)
        for name, whole in whole_numbers.items():
            if whole is not None:
                add_array(file, name, np.asarray(whole, dtype=np.int64), unit="1")
    write_new(Path(path), sealed(image.getbuffer()))


def read_initial_conditions(path: str | Path) -> InitialConditions:
    """Read initial conditions from an HDF5 file, converted to atomic units.

    Raises:
        InputError: The file is missing, damaged or of another kind, an array or its unit is missing,
            a shape does not fit, a number is not finite, or weights are negative or all zero.
    """
    path = Path(path)
    check_file(path, f"initial conditions {str(path)!r}")
    check_seal(path)
    try:
        with h5py.File(path, "r") as file:
            check_self_contained(file, f"initial conditions {str(path)!r}")
            return _read(file, str(path))
    except OSError as error:
        if (kind := kind_of(path)) is not Kind.HDF5:
            raise InputError(
                f"initial conditions {str(path)!r} must be an HDF5 file, but are {kind.value}."
            ) from error
        raise InputError(
            f"initial conditions {str(path)!r} must be an HDF5 file, but cannot be read; it may be cut "
            "short. Write it again with `nadyn sample`."
        ) from error


def _read(file: h5py.File, path: str) -> InitialConditions:
    found = file.attrs.get("format")
    if found != FORMAT or file.attrs.get("version") != VERSION:
        raise InputError(
            f"initial conditions {path!r} must have format {FORMAT} version {VERSION}, but are "
            f"{found!r} version {file.attrs.get('version')}. Write them with `nadyn sample`."
        )
    arrays = {name: _read_array(file, path, name, *kind) for name, kind in _UNITS.items()}
    n_traj, n_atoms = arrays["weight"].size, arrays["masses"].size
    numbers = _read_whole_numbers(file, path, "atomic_numbers")
    states = _read_whole_numbers(file, path, "states")
    last = 1 if numbers is None else 3
    check_shape("positions", arrays["positions"].shape, (n_traj, n_atoms, last))
    check_shape("momenta", arrays["momenta"].shape, (n_traj, n_atoms, last))
    if numbers is not None:
        check_shape("atomic_numbers", numbers.shape, (n_atoms,))
    if states is not None:
        check_shape("states", states.shape, (n_traj,))
        if (states < 0).any():
            raise InputError(f"`states` of {path!r} must be from 0 on, but one is {states.min()}.")
    weight = arrays["weight"]
    if np.any(weight < 0) or not 0 < weight.sum() < np.inf:
        raise InputError(
            f"`weight` of {path!r} must not be negative and its sum positive and finite, but the smallest is "
            f"{weight.min(initial=0.0):g} and the sum {weight.sum():g}. Try 1 for every trajectory."
        )
    return InitialConditions(
        **arrays,
        atomic_numbers=numbers,
        state=_read_attribute(file, path, "state", whole=True),
        diabatic_state=_read_attribute(file, path, "diabatic_state", whole=True),
        origin=str(file.attrs.get("origin", "")),
        temperature_kelvin=_read_attribute(file, path, "temperature_kelvin", whole=False),
        notices=_read_notices(file, path),
        states=states,
        **_read_cell(file, path),
    )


def _read_cell(file: h5py.File, path: str) -> dict[str, object]:
    """Return cell and periodic directions, nothing where the file has none."""
    if "cell" not in file:
        return {}
    cell, periodic = _read_array(file, path, "cell", *_CELL), _read_whole_numbers(file, path, "pbc")
    check_shape("cell", cell.shape, (3, 3))
    if (
        periodic is None
        or periodic.shape != (3,)
        or not np.isin(periodic, (0, 1)).all()
        or not periodic.any()
    ):
        raise InputError(
            f"`pbc` of {path!r} must say by 0 or 1 which of three directions are periodic, one at least, but "
            "does not."
        )
    if abs(np.linalg.det(cell)) < _FLAT * np.prod(np.linalg.norm(cell, axis=1)):
        raise InputError(f"`cell` of {path!r} must be three vectors that span a volume, but is not.")
    return {"cell": cell, "pbc": tuple(bool(one) for one in periodic)}


def _read_attribute(file: h5py.File, path: str, name: str, *, whole: bool) -> int | float | None:
    if name not in file.attrs:
        return None
    value = np.asarray(file.attrs[name])
    kinds, wanted = ("iu", "a whole number from 0") if whole else ("iuf", "a finite number from 0")
    if value.shape != () or value.dtype.kind not in kinds or not 0 <= value < np.inf:
        raise InputError(f"attribute `{name}` of {path!r} must be {wanted}, but is {value.tolist()!r}.")
    return int(value) if whole else float(value)


def _read_notices(file: h5py.File, path: str) -> tuple[str, ...]:
    stored = file.attrs.get("notices", "[]")
    try:
        notices = parse_json(stored)
    except (TypeError, ValueError):
        notices = None
    if not isinstance(notices, list) or not all(isinstance(notice, str) for notice in notices):
        raise InputError(
            f"attribute `notices` of {path!r} must be a JSON list of sentences, but is {stored!r}."
        )
    return tuple(notices)


def _read_whole_numbers(file: h5py.File, path: str, name: str) -> np.ndarray | None:
    if name not in file:
        return None
    stored = file[name]
    if not isinstance(stored, h5py.Dataset) or stored.dtype.kind not in "iu":
        raise InputError(f"`{name}` of {path!r} must be whole numbers, but are not.")
    return np.asarray(stored[()], dtype=np.int64)


def _read_array(file: h5py.File, path: str, name: str, unit: str, dimension: str) -> np.ndarray:
    if not isinstance(file.get(name), h5py.Dataset) or "unit" not in file[name].attrs:
        raise InputError(
            f"initial conditions {path!r} must hold `{name}` with a `unit` attribute such as {unit}, but do "
            "not."
        )
    factor = to_atomic_units(str(file[name].attrs["unit"]), dimension)
    if file[name].dtype.kind not in "iuf":
        raise InputError(f"`{name}` of {path!r} must hold numbers, but holds {file[name].dtype}.")
    values = np.asarray(file[name][()], dtype=np.float64) * factor
    if not np.all(np.isfinite(values)):
        raise InputError(f"`{name}` of {path!r} must be finite, but holds NaN or infinity.")
    return values
