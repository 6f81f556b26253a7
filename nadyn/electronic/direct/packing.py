"""Labels on the way of trajectories as rows of bytes in a checkpoint, so that a path goes on from there."""

import json
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from nadyn.checks.errors import RunError
from nadyn.electronic.direct.model import DirectModel
from nadyn.electronic.direct.places import Place
from nadyn.electronic.labels import Known, Label, Quality

ROWS = "label_places"
# What a source remembers may grow on the way by this factor and these bytes.
_ROOM, _MORE_BYTES = 1.5, 4096
_LENGTH = 8


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
    texts = {int(row): to_bytes(model.place(positions[int(row)])) for row in rows}
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
        if text[:_LENGTH].any():
            model.put(positions[row], from_bytes(text.tobytes()))


def to_bytes(place: Place) -> bytes:
    """Return a place as bytes: a length, a header in JSON, and the arrays one after the other."""
    label = place.known.label
    arrays: dict[str, np.ndarray] = {
        "positions": place.known.positions,
        "energies": label.energies,
        "order": place.order,
        "frame": place.frame,
        "turn": place.turn,
        **{f"memory/{name}": np.asarray(array) for name, array in label.memory.items()},
    }
    for name in ("forces", "interstate_couplings"):
        if getattr(label, name) is not None:
            arrays[name] = getattr(label, name)
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    header = json.dumps(
        {
            "quality": int(place.quality),
            "reason": place.reason,
            "arrays": [[name, array.dtype.str, array.shape] for name, array in arrays.items()],
        }
    ).encode()
    body = b"".join(array.tobytes() for array in arrays.values())
    return len(header).to_bytes(_LENGTH, "little") + header + body


def from_bytes(text: bytes) -> Place:
    """Return the place that `to_bytes` has written, whatever follows it."""
    end = _LENGTH + int.from_bytes(text[:_LENGTH], "little")
    header = json.loads(text[_LENGTH:end])
    arrays = {}
    for name, kind, shape in header["arrays"]:
        dtype = np.dtype(kind)
        size = dtype.itemsize * int(np.prod(shape, dtype=np.int64))
        arrays[name] = np.frombuffer(text[end : end + size], dtype=dtype).reshape(shape).copy()
        end += size
    prefix = "memory/"
    memory = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
    quality = Quality(header["quality"])
    label = Label(
        quality,
        header["reason"],
        arrays["energies"],
        arrays.get("forces"),
        arrays.get("interstate_couplings"),
        memory=memory,
    )
    known = Known(arrays["positions"], label)
    return Place(known, arrays["order"], arrays["frame"], arrays["turn"], quality, header["reason"])
