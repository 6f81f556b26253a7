"""Two checkpoint slots, written in turn, each valid only if its sha256 says so.

The checksum of a slot covers its state, its counts, the checksums of all committed frames and all committed
hops. While one slot is being written the other one is untouched, so at any moment one of them is complete.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from nadyn.trajectory.layout import FRAME_CHECKSUMS, HOP_COLUMNS, SLOTS
from nadyn.trajectory.raw_file import RawFile


@dataclass(frozen=True)
class Checkpoint:
    """A dynamics state and how much of the file belongs to it."""

    slot: int
    sequence: int
    step: int
    committed_frames: int
    committed_hops: int
    state: dict[str, np.ndarray]


def state_names(names: Mapping[str, object]) -> list[str]:
    """Return the names of the state arrays in a slot, sorted."""
    prefix = f"{SLOTS[0]}/state/"
    return sorted(name.removeprefix(prefix) for name in names if name.startswith(prefix))


def write_slot(file: RawFile, checkpoint: Checkpoint, *, frames_hash: bytes, hops_hash: bytes) -> None:
    """Write a checkpoint into its slot, the checksum last."""
    slot = SLOTS[checkpoint.slot]
    record = _record(checkpoint)
    for name, array in checkpoint.state.items():
        file.write_all(f"{slot}/state/{name}", array)
    file.write_all(f"{slot}/record", record)
    checksum = slot_checksum(record, checkpoint.state, frames_hash=frames_hash, hops_hash=hops_hash)
    file.write_all(f"{slot}/sha256", np.frombuffer(checksum, "u1"))


def wipe_slot(file: RawFile, slot: int) -> None:
    """Set every byte of a slot to zero, the checksum first."""
    names = [name for name in file.places if name.startswith(f"{SLOTS[slot]}/")]
    for name in sorted(names, key=lambda item: not item.endswith("/sha256")):
        file.write_all(name, np.zeros(file.places[name].shape, file.places[name].dtype))


def read_slot(source: RawFile, slot: int) -> Checkpoint | None:
    """Return the checkpoint in a slot, or None where it is empty, torn, or covers damaged hops."""
    prefix = SLOTS[slot]
    record = source.read_all(f"{prefix}/record")
    sequence, step, frames, hops = (int(value) for value in record)
    frames_room, hops_room = source.places[FRAME_CHECKSUMS].shape[0], source.places["hops/step"].shape[0]
    if sequence < 1 or not 0 <= frames <= frames_room or not 0 <= hops <= hops_room:
        return None
    state = {name: source.read_all(f"{prefix}/state/{name}") for name in state_names(source.places)}
    checksum = slot_checksum(
        record,
        state,
        frames_hash=hashlib.sha256(source.read_rows(FRAME_CHECKSUMS, 0, frames).tobytes()).digest(),
        hops_hash=hops_hasher(source, hops).digest(),
    )
    if checksum != source.read_all(f"{prefix}/sha256").tobytes():
        return None
    return Checkpoint(slot, sequence, step, frames, hops, state)


def newest_first(source: RawFile) -> list[Checkpoint]:
    """Return the valid checkpoints of a file, the newest first."""
    found = [read_slot(source, slot) for slot in range(len(SLOTS))]
    return sorted((item for item in found if item is not None), key=lambda item: -item.sequence)


def slot_checksum(
    record: np.ndarray, state: Mapping[str, np.ndarray], *, frames_hash: bytes, hops_hash: bytes
) -> bytes:
    """Return the sha256 of a slot: counts, state, committed frames and hops."""
    digest = hashlib.sha256(np.asarray(record, "<i8").tobytes() + frames_hash + hops_hash)
    for name in sorted(state):
        digest.update(name.encode() + b"\0" + np.ascontiguousarray(state[name]).tobytes())
    return digest.digest()


def frame_checksum(rows: Iterator[np.ndarray]) -> bytes:
    """Return the sha256 of the arrays of one frame, in the order of the file's layout."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(np.ascontiguousarray(row).tobytes())
    return digest.digest()


def hops_hasher(source: RawFile, n_hops: int) -> "hashlib._Hash":  # hashlib has no public name for the type
    """Return a running sha256 over the first hops, row after row, to which later hops can be added."""
    hasher = hashlib.sha256()
    columns = {name: source.read_rows(f"hops/{name}", 0, n_hops) for name in HOP_COLUMNS}
    hasher.update(hop_bytes(columns))
    return hasher


def hop_bytes(columns: Mapping[str, np.ndarray]) -> bytes:
    """Return hops row by row, so that the checksum does not depend on how they were grouped when added."""
    rows = np.empty(len(columns["step"]), dtype=[(name, dtype) for name, (dtype, _) in HOP_COLUMNS.items()])
    for name in HOP_COLUMNS:
        rows[name] = columns[name]
    return rows.tobytes()


def _record(checkpoint: Checkpoint) -> np.ndarray:
    counts = (checkpoint.sequence, checkpoint.step, checkpoint.committed_frames, checkpoint.committed_hops)
    return np.array(counts, "<i8")
