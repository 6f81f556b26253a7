"""What is in a trajectory file, and its creation with every byte already in place.

The number of frames is known before the first step. So every dataset is created contiguous and at its full
length, the file is closed, and from then on only bytes inside datasets change (see raw_file.py). HDF5 never
has the file open for writing while a run is under way: a killed writer cannot leave metadata half written.
"""

import json
import math
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import h5py
import numpy as np
from jaxtyping import Float, Int

from nadyn import __version__
from nadyn.checks.errors import InputError
from nadyn.checks.output import reserve
from nadyn.checks.shapes import check_shape
from nadyn.trajectory.raw_file import open_hdf5
from nadyn.units import FEMTOSECOND_PER_AU

MovesOn = Literal["active state", "mean of the states", "mean of the states and a pointer state"]
FORMAT = "nadyn-trajectories"
VERSION = 1
STATUS_RUNNING = 1
SUMMARY_NAMES = ("status", "last_step", "energy_error_max")
SLOTS = ("checkpoint/slot_0", "checkpoint/slot_1")
FRAME_CHECKSUMS = "checkpoint/frame_sha256"
TIMINGS = "timings"
TIMINGS_BYTES = 8192
# Attributes, times, checksums of frames and what the library adds.
_SMALL_THINGS = 1 << 18

# The datasets with one row a frame that a file may hold, in the order in which a frame is checksummed.
FRAME_ARRAYS = (
    "positions",
    "momenta",
    "energies",
    "kinetic_energy",
    "total_energy_error",
    "coefficients",
    "active_state",
    "diabatic_populations",
    "populations_adiabatic",
)

HOP_COLUMNS: dict[str, tuple[str, str]] = {
    "step": ("<i8", ""),
    "traj": ("<i8", ""),
    "from_state": ("<i4", ""),
    "to_state": ("<i4", ""),
    "accepted": ("<i4", ""),
    "energy_from": ("<f8", "hartree"),
    "energy_to": ("<f8", "hartree"),
    "kinetic_before": ("<f8", "hartree"),
    "kinetic_after": ("<f8", "hartree"),
    "zeta": ("<f8", "1"),
    "probability": ("<f8", "1"),
    "gap": ("<f8", "hartree"),
}


@dataclass(frozen=True)
class RunHeader:
    """What a run file says about its run before the first step.

    Attributes:
        config: The validated run file, without what `config_outside_digest` holds.
        method: Name of the dynamics method.
        population_estimator: How populations follow from the arrays, for example `fraction of trajectories`.
        estimates_populations: Whether the file holds `populations_adiabatic`; where it does not, populations
            are fractions of trajectories by active state.
        seed: Of the random numbers.
        n_steps: Steps of the whole run.
        dt_au: Time step [au].
        write_every: Steps from one frame to the next; frame 0 is the start.
        n_states: Adiabatic states.
        n_axes: Length of the last axis: 3, or 1 for generalised coordinates.
        masses: [electron mass].
        weight: Statistical weight of each trajectory.
        model_name: Name or file of the model.
        model_digest: Its sha256.
        status_names: Meaning of the codes in `status`; 0 is finished, 1 is running, all others stopped.
        status_advice: What to do about a stopped trajectory, by code.
        atomic_numbers: None for generalised coordinates.
        n_basis: Diabatic states with stored populations; None where the diabatic basis is not fixed.
        diabatic_population_estimator: How the stored diabatic populations were computed.
        moves_on: What the nuclei of a trajectory move on.
        on_one_state: Whether the method keeps a trajectory on the state of its start.
        amplitudes_are_populations: Whether mean |c|^2 should equal the populations of a consistent method.
        multiplicities: 2S + 1 of each diabatic state; empty where they are all the same or unknown.
        warnings: Sentences for the reader of the results.
        config_outside_digest: Keys of the run file on which no number depends, such as `output`.
    """

    config: Mapping[str, object]
    method: str
    population_estimator: str
    seed: int
    n_steps: int
    dt_au: float
    write_every: int
    n_states: int
    n_axes: int
    masses: Float[np.ndarray, "atom"]
    weight: Float[np.ndarray, "traj"]
    model_name: str
    model_digest: str
    status_names: Mapping[int, str]
    status_advice: Mapping[int, str] = field(default_factory=dict)
    atomic_numbers: Int[np.ndarray, "atom"] | None = None
    n_basis: int | None = None
    diabatic_population_estimator: str = ""
    moves_on: MovesOn = "active state"
    on_one_state: bool = False
    amplitudes_are_populations: bool = False
    multiplicities: tuple[int, ...] = ()
    estimates_populations: bool = False
    warnings: tuple[str, ...] = ()
    config_outside_digest: Mapping[str, object] = field(default_factory=dict)

    @property
    def n_frames(self) -> int:
        """Frames of the whole run, the start included."""
        return self.n_steps // self.write_every + 1


@dataclass(frozen=True)
class Spec:
    """One dataset: dtype, shape, unit (empty for counts and codes) and the value of bytes not yet written."""

    dtype: str
    shape: tuple[int, ...]
    unit: str
    fill: float | int


def frame_specs(header: RunHeader) -> dict[str, Spec]:
    """Return the datasets of a run with one row a frame, in the order of `FRAME_ARRAYS`."""
    frames, traj, atom = header.n_frames, len(header.weight), len(header.masses)
    nan = float("nan")
    space = (frames, traj, atom, header.n_axes)
    specs = {
        "positions": Spec("<f8", space, "bohr", nan),
        "momenta": Spec("<f8", space, "electron_mass*bohr/au_time", nan),
        "energies": Spec("<f8", (frames, traj, header.n_states), "hartree", nan),
        "kinetic_energy": Spec("<f8", (frames, traj), "hartree", nan),
        "total_energy_error": Spec("<f8", (frames, traj), "hartree", nan),
        "coefficients": Spec("<f8", (frames, traj, header.n_states, 2), "1", nan),
        "active_state": Spec("<i4", (frames, traj), "", -1),
    }
    if header.n_basis is not None:
        specs["diabatic_populations"] = Spec("<f8", (frames, traj, header.n_basis), "1", nan)
    if header.estimates_populations:
        specs["populations_adiabatic"] = Spec("<f8", (frames, traj, header.n_states), "1", nan)
    return specs


def hop_capacity_at_start(n_trajectories: int) -> int:
    """Return the rows of the hop table before it first grows."""
    return max(1024, 16 * n_trajectories)


def create_file(path: Path, header: RunHeader, state: Mapping[str, np.ndarray]) -> None:
    """Write a complete, closed file without any frame at `path`.

    Args:
        path: Replaced if it exists.
        header: What is known before the first step.
        state: The dynamics state whose names, dtypes and shapes the checkpoint slots take.

    Raises:
        InputError: A part of the header has a wrong shape or value.
        OSError: The disk has no room for it.
    """
    _check(header, state)
    n_traj = len(header.weight)
    reserve(path, _size(header, state))
    with h5py.File(path, "w", locking=False) as file:
        _write_attributes(file, header)
        for name, spec in frame_specs(header).items():
            _allocate(file, name, spec)
        for name, dtype in (("status", "<i4"), ("last_step", "<i8"), ("energy_error_max", "<f8")):
            unit = "hartree" if name == "energy_error_max" else ""
            _allocate(file, name, Spec(dtype, (n_traj,), unit, STATUS_RUNNING if name == "status" else 0))
        for name, (dtype, unit) in HOP_COLUMNS.items():
            fill = float("nan") if dtype == "<f8" else -1
            _allocate(file, f"hops/{name}", Spec(dtype, (hop_capacity_at_start(n_traj),), unit, fill))
        for slot in SLOTS:
            for name, array in state.items():
                file[f"{slot}/state/{name}"] = np.zeros(array.shape, array.dtype)
            file[f"{slot}/record"] = np.zeros(4, "<i8")
            file[f"{slot}/record"].attrs["columns"] = "sequence, step, committed_frames, committed_hops"
            file[f"{slot}/sha256"] = np.zeros(32, "u1")
        file[FRAME_CHECKSUMS] = np.zeros((header.n_frames, 32), "u1")
        # The time spent is known only at the end; an attribute could not be rewritten in place.
        file.create_dataset(TIMINGS, shape=(), dtype=f"S{TIMINGS_BYTES}", data=np.bytes_(b"{}"))
        time = frame_times(header.n_frames, write_every=header.write_every, dt_au=header.dt_au)
        _fixed(file, "time", time, "fs")
        _fixed(file, "masses", np.asarray(header.masses, "<f8"), "electron_mass")
        _fixed(file, "weight", np.asarray(header.weight, "<f8"), "1")
        if header.atomic_numbers is not None:
            _fixed(file, "atomic_numbers", np.asarray(header.atomic_numbers, "<i4"), "")


def copy_with_room(
    source: Path,
    target: Path,
    *,
    n_hops: int,
    n_frames: int,
    attributes: Mapping[str, str | int] = MappingProxyType({}),
) -> None:
    """Create `target` like `source` but with room for so many hops and frames; the caller copies the bytes.

    Args:
        source: A trajectory file.
        target: Replaced if it exists.
        n_hops: Rows of the hop table, at least as many as there are.
        n_frames: Frames, at least as many as there are.
        attributes: Those of the file that change.

    Raises:
        OSError: The disk has no room for it.
    """
    with open_hdf5(source) as old:
        length = {name: n_frames for name in (*FRAME_ARRAYS, FRAME_CHECKSUMS, "time") if name in old}
        length |= {f"hops/{name}": n_hops for name in HOP_COLUMNS}
        more = sum((n - len(old[name])) * _row_bytes(old[name]) for name, n in length.items())
        reserve(target, source.stat().st_size + more)
        with h5py.File(target, "w", locking=False) as new:
            for name, value in old.attrs.items():
                new.attrs[name] = attributes.get(name, value)

            def visit(name: str, item: h5py.Dataset | h5py.Group) -> None:
                if isinstance(item, h5py.Dataset):
                    shape = (length[name], *item.shape[1:]) if name in length else item.shape
                    made = _create(new, name, item.dtype, shape, item.fillvalue)
                else:
                    made = new.require_group(name)
                for key, value in item.attrs.items():
                    made.attrs[key] = value

            old.visititems(visit)


def frame_times(n_frames: int, *, write_every: int, dt_au: float) -> Float[np.ndarray, "frame"]:
    """Return the time of each frame [fs]."""
    return np.arange(n_frames) * (write_every * dt_au * FEMTOSECOND_PER_AU)


def _row_bytes(item: h5py.Dataset) -> int:
    return math.prod(item.shape[1:]) * item.dtype.itemsize


def _size(header: RunHeader, state: Mapping[str, np.ndarray]) -> int:
    """Return about how many bytes a file will have."""
    frames = sum(
        math.prod(spec.shape) * np.dtype(spec.dtype).itemsize for spec in frame_specs(header).values()
    )
    hop = sum(np.dtype(dtype).itemsize for dtype, _ in HOP_COLUMNS.values())
    slots = len(SLOTS) * sum(np.asarray(array).nbytes for array in state.values())
    return frames + hop * hop_capacity_at_start(len(header.weight)) + slots + _SMALL_THINGS


def _create(
    file: h5py.File, name: str, dtype: np.dtype, shape: tuple[int, ...], fill: object
) -> h5py.Dataset:
    # Low-level, because allocation must happen now (EARLY) for the dataset to have a place in the file.
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_layout(h5py.h5d.CONTIGUOUS)
    properties.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    properties.set_fill_time(h5py.h5d.FILL_TIME_ALLOC)
    properties.set_fill_value(np.asarray(fill, dtype=dtype))
    links = h5py.h5p.create(h5py.h5p.LINK_CREATE)
    links.set_create_intermediate_group(True)
    space = h5py.h5s.create_simple(shape) if shape else h5py.h5s.create(h5py.h5s.SCALAR)
    kind = h5py.h5t.py_create(np.dtype(dtype), logical=True)
    return h5py.Dataset(h5py.h5d.create(file.id, name.encode(), kind, space, dcpl=properties, lcpl=links))


def _allocate(file: h5py.File, name: str, spec: Spec) -> None:
    dataset = _create(file, name, np.dtype(spec.dtype), spec.shape, spec.fill)
    if spec.unit:
        dataset.attrs["unit"] = spec.unit


def _fixed(file: h5py.File, name: str, array: np.ndarray, unit: str) -> None:
    file[name] = array
    if unit:
        file[name].attrs["unit"] = unit


def _write_attributes(file: h5py.File, header: RunHeader) -> None:
    attributes: dict[str, object] = {
        "format": FORMAT,
        "version": VERSION,
        "config": json.dumps(dict(header.config)),
        "config_outside_digest": json.dumps(dict(header.config_outside_digest)),
        "method": header.method,
        "population_estimator": header.population_estimator,
        "moves_on": header.moves_on,
        "on_one_state": header.on_one_state,
        "amplitudes_are_populations": header.amplitudes_are_populations,
        "seed": header.seed,
        "n_steps": header.n_steps,
        "dt_au": header.dt_au,
        "write_every": header.write_every,
        "nadyn_version": __version__,
        "model_name": header.model_name,
        "model_digest": header.model_digest,
        "warnings": json.dumps(list(header.warnings)),
        "status_names": json.dumps({str(code): name for code, name in sorted(header.status_names.items())}),
        "status_advice": json.dumps({str(code): text for code, text in sorted(header.status_advice.items())}),
        "host": f"{platform.node()}, {platform.platform()}, Python {platform.python_version()}",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    if header.n_basis is not None:
        attributes["diabatic_population_estimator"] = header.diabatic_population_estimator
    if header.multiplicities:
        attributes["multiplicities"] = json.dumps(list(header.multiplicities))
    for name, value in attributes.items():
        if isinstance(value, str) and len(value.encode()) > 60_000:
            raise InputError(
                f"`{name}` must be shorter than 60 kB to fit into the file, but has {len(value)} characters. "
                "Try to name files instead of writing tables into the run file."
            )
        file.attrs[name] = value


def _check(header: RunHeader, state: Mapping[str, np.ndarray]) -> None:
    check_shape("weight", np.shape(header.weight), ["traj"])
    check_shape("masses", np.shape(header.masses), ["atom"])
    if header.atomic_numbers is not None:
        check_shape("atomic_numbers", np.shape(header.atomic_numbers), [len(header.masses)])
    if len(header.weight) == 0:
        raise InputError(
            "`weight` must have one entry a trajectory, but is empty. Try at least one trajectory."
        )
    if header.write_every < 1 or header.n_steps < 0:
        raise InputError(
            f"`write_every` must be 1 or more and `n_steps` 0 or more, but they are {header.write_every} and "
            f"{header.n_steps}. Try write_every: 1."
        )
    for name in SUMMARY_NAMES:
        if name not in state:
            raise InputError(f"`state` must hold {', '.join(SUMMARY_NAMES)}, but lacks {name}.")
        check_shape(name, np.shape(state[name]), [len(header.weight)])


def partial_path(path: Path) -> Path:
    """Return where a file is built before it takes its place in one atomic step."""
    return path.with_name(f".{path.name}.partial")


def replace(source: Path, target: Path) -> None:
    """Move a finished file to its place; at any moment `target` is the old or the new file, entire."""
    os.replace(source, target)
