"""What a killed run wrote after its last checkpoint."""

import numpy as np

from nadyn.checks.counts import counted
from nadyn.trajectory import checkpoint as slots
from nadyn.trajectory.layout import FRAME_CHECKSUMS, HOP_COLUMNS
from nadyn.trajectory.raw_file import RawFile
from nadyn.trajectory.soundness import frame_names

_FILL_HOPS = {name: np.nan if dtype == "<f8" else -1 for name, (dtype, _) in HOP_COLUMNS.items()}


def cut_tail(file: RawFile, sound: slots.Checkpoint) -> list[str]:
    """Set everything after a checkpoint back to its value at creation, and say what was cut."""
    notices = []
    n_frames = file.places[FRAME_CHECKSUMS].shape[0]
    torn_frames = 0
    for frame in range(sound.committed_frames, n_frames):
        written = bool(file.read_rows(FRAME_CHECKSUMS, frame, frame + 1).any())
        for name in frame_names(file.places):
            row = file.read_rows(name, frame, frame + 1)
            fill = np.full_like(row, np.nan if row.dtype.kind == "f" else -1)
            if row.tobytes() != fill.tobytes():
                file.write_rows(name, frame, fill)
                written = True
        file.write_rows(FRAME_CHECKSUMS, frame, np.zeros((1, 32), "u1"))
        torn_frames += written
        if not written:
            break  # frames are written in order: nothing can follow an untouched one
    torn_hops = int(
        np.sum(file.read_rows("hops/step", sound.committed_hops, file.places["hops/step"].shape[0]) != -1)
    )
    for name in HOP_COLUMNS:
        place = file.places[f"hops/{name}"]
        rest = np.full(place.shape[0] - sound.committed_hops, _FILL_HOPS[name], place.dtype)
        file.write_rows(f"hops/{name}", sound.committed_hops, rest)
    if torn_frames or torn_hops:
        notices.append(
            f"Cut {counted(torn_frames, 'frame')} and {counted(torn_hops, 'hop')} that were written after "
            f"the last checkpoint, step {sound.step}; they are computed again."
        )
    return notices
