"""The writer of a trajectory file: frames, hops, checkpoints; a kill at any moment leaves a sound file."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace as with_changes
from pathlib import Path

import numpy as np

from nadyn.checks.errors import InputError
from nadyn.checks.shapes import check_shape
from nadyn.trajectory import checkpoint as slots
from nadyn.trajectory.creation import copy_with_room, create_file
from nadyn.trajectory.layout import (
    FRAME_CHECKSUMS,
    HOP_COLUMNS,
    STOPS,
    SUMMARY_NAMES,
    TIMINGS,
    TIMINGS_BYTES,
    RunHeader,
    frame_times,
)
from nadyn.trajectory.placing import building, check_new, remove_partial
from nadyn.trajectory.raw_file import KEPT, RawFile
from nadyn.trajectory.reader import check_format
from nadyn.trajectory.soundness import damaged_frames, frame_names
from nadyn.trajectory.tail import cut_tail


class TrajectoryWriter:
    """Writes one run. Made by `create` or `resume`, never directly.

    Attributes:
        path: The file.
        frame_names: The arrays of a frame.
        next_frame: The frame to write next; after a resume the first one that is not committed.
        step: Step of the newest checkpoint.
    """

    def __init__(self, path: Path, file: RawFile, newest: slots.Checkpoint) -> None:
        """Go on from a checkpoint whose frames and hops are known to be sound."""
        self.path = path
        self._file = file
        self._newest = newest
        self.frame_names = frame_names(file.places)
        self._frames_hash = hashlib.sha256(
            file.read_rows(FRAME_CHECKSUMS, 0, newest.committed_frames).tobytes()
        )
        self._hops_hash = slots.hops_hasher(file, newest.committed_hops)
        self._n_hops = newest.committed_hops
        self.next_frame = newest.committed_frames

    @property
    def step(self) -> int:
        """Step of the newest checkpoint."""
        return self._newest.step

    @classmethod
    def create(
        cls,
        path: str | Path,
        header: RunHeader,
        state_template: Mapping[str, np.ndarray],
        *,
        overwrite: bool = False,
    ) -> "TrajectoryWriter":
        """Create a file whose first checkpoint is `state_template` at step 0, without a frame yet.

        Args:
            path: Appears in one atomic step, complete.
            header: What is known before the first step.
            state_template: The state at step 0. Every later checkpoint has the same names, dtypes and shapes;
                it holds `status`, `last_step` and `energy_error_max` (traj), which readers of the file see.
            overwrite: Replace a file that exists.

        Raises:
            InputError: The file exists, its folder does not or takes no files, or the header is not
                consistent.
            RunError: The disk has no room for the run.
        """
        path = Path(path)
        check_new(path, overwrite=overwrite)
        state = {name: np.array(array) for name, array in state_template.items()}
        first = slots.Checkpoint(
            slot=0, sequence=1, step=0, committed_frames=0, committed_hops=0, state=state
        )
        empty = hashlib.sha256().digest()
        with building(path) as partial:
            # Somebody else may have been faster.
            check_new(path, overwrite=overwrite)
            create_file(partial, header, state)
            file = RawFile(partial)
            slots.write_slot(file, first, frames_hash=empty, hops_hash=empty)
            file.sync()
        return cls(path, file, first)

    @classmethod
    def resume(cls, path: str | Path) -> tuple["TrajectoryWriter", dict[str, np.ndarray], list[str]]:
        """Open a run where its newest sound checkpoint left it.

        Every committed frame is verified. What was written after the checkpoint is cut, so that the resumed
        run ends with the same bytes as an undisturbed one. Write frames from `next_frame` on: right after
        `create`, frame 0 is not there yet.

        Returns:
            The writer, the state of the checkpoint, and sentences about what was cut.

        Raises:
            InputError: The file is missing, no trajectory file, being written, or damaged.
        """
        path = Path(path)
        check_format(path)
        file = RawFile(path)
        # Not before the lock is had: it may be what another run is building.
        remove_partial(path)
        candidates = slots.newest_first(file)
        sound = next((item for item in candidates if not damaged_frames(file, item.committed_frames)), None)
        if sound is None:
            file.close()
            raise InputError(
                f"file {str(path)!r} must have a sound checkpoint, but none agrees with its checksum: the "
                "file was damaged after it was written. Start again with --overwrite."
            )
        notices = []
        if sound is not candidates[0]:
            notices.append(
                f"The newest checkpoint is damaged; going on from the one before, step {sound.step}."
            )
        notices += cut_tail(file, sound)
        writer = cls(path, file, sound)
        writer._publish_summary(sound.state)
        return writer, sound.state, notices

    def write_frame(self, frame: int, arrays: Mapping[str, np.ndarray]) -> None:
        """Write one frame; it counts from the next checkpoint on.

        Args:
            frame: Must be `next_frame`.
            arrays: One row of every dataset with a frame axis; complex `coefficients` (traj state) are split.

        Raises:
            InputError: An array is missing, unknown or has a wrong shape.
        """
        if frame != self.next_frame:
            raise InputError(f"`frame` must be {self.next_frame}, the next one, but is {frame}.")
        if sorted(arrays) != sorted(self.frame_names):
            raise InputError(
                f"`arrays` must hold {', '.join(self.frame_names)}, but holds {', '.join(arrays)}."
            )
        rows = []
        for name in self.frame_names:
            place = self._file.places[name]
            array = np.asarray(arrays[name])
            if np.iscomplexobj(array):
                array = np.stack([array.real, array.imag], axis=-1)
            check_shape(name, array.shape, place.shape[1:])
            rows.append(np.ascontiguousarray(array, dtype=place.dtype))
            self._file.write_rows(name, frame, rows[-1][None])
        checksum = slots.frame_checksum(iter(rows))
        self._file.write_rows(FRAME_CHECKSUMS, frame, np.frombuffer(checksum, "u1")[None])
        self._frames_hash.update(checksum)
        self.next_frame = frame + 1

    def add_hops(self, records: Mapping[str, np.ndarray]) -> None:
        """Append hops and refused hops; they count from the next checkpoint on.

        Args:
            records: One array a column of `hops/`, all of one length.

        Raises:
            InputError: A column is missing, unknown or of another length.
        """
        if sorted(records) != sorted(HOP_COLUMNS):
            raise InputError(f"`records` must hold {', '.join(HOP_COLUMNS)}, but holds {', '.join(records)}.")
        columns = {name: np.asarray(records[name]).astype(dtype) for name, (dtype, _) in HOP_COLUMNS.items()}
        n_new = len(columns["step"])
        for name, column in columns.items():
            check_shape(name, column.shape, [n_new])
        if self._n_hops + n_new > self._file.places["hops/step"].shape[0]:
            self._make_room_for_hops(self._n_hops + n_new)
        for name, column in columns.items():
            self._file.write_rows(f"hops/{name}", self._n_hops, column)
        self._hops_hash.update(slots.hop_bytes(columns))
        self._n_hops += n_new

    def checkpoint(self, step: int, state: Mapping[str, np.ndarray]) -> None:
        """Commit all frames and hops written so far together with the state after `step`.

        Raises:
            InputError: The state has other names, dtypes or shapes than the template.
        """
        arrays = {name: np.array(array) for name, array in state.items()}
        self._check_state(arrays)
        newest = slots.Checkpoint(
            slot=1 - self._newest.slot,
            sequence=self._newest.sequence + 1,
            step=step,
            committed_frames=self.next_frame,
            committed_hops=self._n_hops,
            state=arrays,
        )
        self._write_slot(newest)
        self._publish_summary(arrays)

    def close(self, timings: Mapping[str, object] | None = None) -> None:
        """Close the file, with the time spent (any JSON mapping, outside the digest).

        The last checkpoint ends up alone in slot 0, so that the file does not tell how often it was written.
        """
        if self._newest.slot == 0:
            self._write_slot(with_changes(self._newest, slot=1, sequence=self._newest.sequence + 1))
        self._write_slot(with_changes(self._newest, slot=0, sequence=1))
        slots.wipe_slot(self._file, 1)
        text = json.dumps(dict(timings or {})).encode()
        if len(text) > TIMINGS_BYTES:
            raise InputError(f"`timings` must fit into {TIMINGS_BYTES} bytes of JSON, but has {len(text)}.")
        self._file.write_all(TIMINGS, np.array(text, dtype=f"S{TIMINGS_BYTES}"))
        self._file.close()

    def release(self) -> None:
        """Let go of the file, finished or not, so that another writer can have it; nothing is committed."""
        self._file.close()

    def _write_slot(self, checkpoint: slots.Checkpoint) -> None:
        slots.write_slot(
            self._file, checkpoint, frames_hash=self._frames_hash.digest(), hops_hash=self._hops_hash.digest()
        )
        # Before the other slot is written again: one of the two is on the disk at any moment.
        self._file.sync()
        self._newest = checkpoint

    def _publish_summary(self, state: Mapping[str, np.ndarray]) -> None:
        # For other programs that open the file; readers of nadyn take the copy inside the checkpoint.
        for name in (*SUMMARY_NAMES, *(name for name in state if name.startswith(STOPS))):
            self._file.write_all(name, state[name])

    def _check_state(self, state: Mapping[str, np.ndarray]) -> None:
        expected = self._newest.state
        if sorted(state) != sorted(expected):
            raise InputError(f"`state` must hold {', '.join(expected)}, but holds {', '.join(state)}.")
        for name, array in state.items():
            check_shape(name, array.shape, expected[name].shape)
            if array.dtype != expected[name].dtype:
                raise InputError(f"`{name}` must have dtype {expected[name].dtype}, but has {array.dtype}.")

    def extend(
        self, n_steps: int, config: Mapping[str, object], config_outside_digest: Mapping[str, object]
    ) -> None:
        """Make room for a run of `n_steps`, with the run file that it has from now on.

        The larger file takes its place in one atomic step; what was committed stays.

        Raises:
            RunError: The disk has no room for it.
        """
        attributes: dict[str, str | int] = {
            "n_steps": n_steps,
            "config": json.dumps(dict(config)),
            "config_outside_digest": json.dumps(dict(config_outside_digest)),
        }
        every = int(check_format(self.path)["write_every"])
        self._move_to_larger(self._file.places["hops/step"].shape[0], n_steps // every + 1, attributes)

    def _make_room_for_hops(self, needed: int) -> None:
        capacity = self._file.places["hops/step"].shape[0]
        while capacity < needed:
            capacity *= 2
        self._move_to_larger(capacity, self._file.places[FRAME_CHECKSUMS].shape[0], {})

    def _move_to_larger(self, n_hops: int, n_frames: int, attributes: Mapping[str, str | int]) -> None:
        with building(self.path, advice=KEPT) as partial:
            copy_with_room(self.path, partial, n_hops=n_hops, n_frames=n_frames, attributes=attributes)
            larger = RawFile(partial)
            self._file.copy_to(larger)
            every, dt = (check_format(partial)[name] for name in ("write_every", "dt_au"))
            larger.write_all("time", frame_times(n_frames, write_every=int(every), dt_au=float(dt)))
            larger.sync()
        self._file.close()
        self._file = larger
