"""The creation of a trajectory file, with every byte already in place, and that of a larger one like it.

The number of frames is known before the first step. So every dataset is created contiguous and at its full
length, the file is closed, and from then on only bytes inside datasets change (see raw_file.py). HDF5 never
has the file open for writing while a run is under way: a killed writer cannot leave metadata half written.
"""

import json
import math
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

import h5py
import numpy as np

from nadyn import __version__
from nadyn.checks.errors import InputError
from nadyn.checks.hdf5 import CHECKSUMS
from nadyn.checks.output import reserve
from nadyn.checks.printable import printable
from nadyn.checks.shapes import check_shape
from nadyn.trajectory.layout import (
    CHECKSUM,
    FORMAT,
    FRAME_ARRAYS,
    FRAME_CHECKSUMS,
    HOP_COLUMNS,
    SLOTS,
    STATUS_RUNNING,
    STOP_UNITS,
    STOPS,
    SUMMARY_NAMES,
    TIMINGS,
    TIMINGS_BYTES,
    VERSION,
    RunHeader,
    Spec,
    fixed_checksum,
    frame_specs,
    frame_times,
    hop_capacity_at_start,
    plain,
)
from nadyn.trajectory.raw_file import open_hdf5

# Attributes, times, checksums of frames and what the library adds.
_SMALL_THINGS = 1 << 18


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
    with h5py.File(path, "w", locking=False, libver=CHECKSUMS) as file:
        _write_attributes(file, header)
        for name, spec in frame_specs(header).items():
            _allocate(file, name, spec)
        for name, dtype in (("status", "<i4"), ("last_step", "<i8"), ("energy_error_max", "<f8")):
            unit = "hartree" if name == "energy_error_max" else ""
            _allocate(file, name, Spec(dtype, (n_traj,), unit, STATUS_RUNNING if name == "status" else 0))
        for name, array in state.items():
            if name.startswith(STOPS):
                unit = STOP_UNITS[name.removeprefix(STOPS)]
                fill = float("nan") if array.dtype.kind == "f" else -1
                _allocate(file, name, Spec(array.dtype.str, array.shape, unit, fill))
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
        with h5py.File(target, "w", locking=False, libver=CHECKSUMS) as new:
            found = {name: attributes.get(name, plain(value)) for name, value in old.attrs.items()}
            if CHECKSUM in found:
                numbers = old["atomic_numbers"][...] if "atomic_numbers" in old else None
                found[CHECKSUM] = fixed_checksum(found, old["masses"][...], old["weight"][...], numbers)
            for name, value in found.items():
                new.attrs[name] = value

            def visit(name: str, item: h5py.Dataset | h5py.Group) -> None:
                if isinstance(item, h5py.Dataset):
                    shape = (length[name], *item.shape[1:]) if name in length else item.shape
                    made = _create(new, name, item.dtype, shape, item.fillvalue)
                else:
                    made = new.require_group(name)
                for key, value in item.attrs.items():
                    made.attrs[key] = value

            old.visititems(visit)


def bytes_per_frame(path: Path) -> int:
    """Return by how many bytes a trajectory file is larger for each frame."""
    with open_hdf5(path) as file:
        return sum(
            _row_bytes(file[name]) for name in (*FRAME_ARRAYS, FRAME_CHECKSUMS, "time") if name in file
        )


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
    if header.evaluation:
        attributes["evaluation"] = header.evaluation
    if header.doubt_limits is not None:
        attributes["doubt_limits"] = json.dumps(dict(header.doubt_limits))
    if header.multiplicities:
        attributes["multiplicities"] = json.dumps(list(header.multiplicities))
    attributes = {name: printable(value) for name, value in attributes.items()}
    attributes[CHECKSUM] = fixed_checksum(attributes, header.masses, header.weight, header.atomic_numbers)
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
