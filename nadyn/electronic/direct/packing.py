"""Labels on the way of trajectories as rows of bytes in a checkpoint, so that a path goes on from there."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from nadyn.checks.errors import RunError
from nadyn.electronic.direct.array_bytes import arrays_of, from_bytes, known_from, to_bytes, words_of
from nadyn.electronic.direct.model import DirectModel
from nadyn.electronic.direct.places import Place
from nadyn.electronic.labels import Known

ROWS = "label_places"
# What a source remembers may grow on the way by this factor and these bytes.
_ROOM, _MORE_BYTES = 1.5, 4096


def packed(
    model: DirectModel,
    positions: Float[Tensor, "traj atom x"],
    rows: Int[Tensor, "row"],
    *,
    width: int | None = None,
) -> dict[str, np.ndarray]:
    """Return one row of bytes a trajectory, for a checkpoint; zeros for those that do not go on.

    Args:
        model: What knows the labels.
        positions: Of all trajectories [bohr].
        rows: Those that go on.
        width: Length of the rows, None to choose it.

    Raises:
        RunError: A source remembers more than there was room for at the start.
    """
    texts = {int(row): place_to_bytes(model.book.place(positions[int(row)])) for row in rows}
    longest = max((len(text) for text in texts.values()), default=0)
    if width is None:
        width = int(_ROOM * longest) + _MORE_BYTES
    if longest > width:
        raise RunError(
            f"what source {model.name} remembers of a geometry must fit into {width} bytes, which are "
            f"{_ROOM:g} times as many as at the start, but has {longest}. Start the run again."
        )
    array = np.zeros((len(positions), width), dtype=np.uint8)
    for row, text in texts.items():
        array[row, : len(text)] = np.frombuffer(text, dtype=np.uint8)
    return {ROWS: array}


def unpack(
    model: DirectModel, positions: Float[Tensor, "traj atom x"], arrays: Mapping[str, np.ndarray]
) -> None:
    """Let a model go on from the labels of a checkpoint."""
    for row, text in enumerate(arrays[ROWS]):
        if text[:8].any():
            model.book.put(positions[row], place_from_bytes(text.tobytes()))


def place_to_bytes(place: Place) -> bytes:
    """Return a place as bytes, without what labels say for people."""
    label = replace(place.known.label, seconds=0.0, checks={}, dipoles=None)
    known = Known(place.known.positions, label)
    own = {"place/frame": place.frame, "place/turn": place.turn}
    return to_bytes(words_of(label), {**arrays_of(known), **own})


def place_from_bytes(text: bytes) -> Place:
    """Return the place that `place_to_bytes` has written, whatever follows it."""
    words, arrays = from_bytes(text)
    known = known_from(words, arrays)
    own = (arrays[f"place/{name}"] for name in ("frame", "turn"))
    return Place(known, *own, known.label.quality, known.label.reason)
