"""Arrays with a header as bytes: in checkpoints, and between the processes of a run."""

import json
from collections.abc import Mapping

import numpy as np

from nadyn.electronic.labels import Known, Label, Quality

_LENGTH = 8
_MEMORY = "memory/"
_ARRAYS = ("energies", "forces", "interstate_couplings", "dipoles")


def to_bytes(header: Mapping[str, object], arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return a length, a header in JSON, and the arrays one after the other."""
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    places = [[name, array.dtype.str, list(array.shape)] for name, array in arrays.items()]
    text = json.dumps({"header": dict(header), "arrays": places}).encode()
    body = b"".join(array.tobytes() for array in arrays.values())
    return len(text).to_bytes(_LENGTH, "little") + text + body


def from_bytes(text: bytes) -> tuple[dict[str, object], dict[str, np.ndarray]]:
    """Return header and arrays of `to_bytes`, whatever follows them."""
    end = _LENGTH + int.from_bytes(text[:_LENGTH], "little")
    told = json.loads(text[_LENGTH:end])
    arrays = {}
    for name, kind, shape in told["arrays"]:
        dtype = np.dtype(kind)
        size = dtype.itemsize * int(np.prod(shape, dtype=np.int64))
        arrays[name] = np.frombuffer(text[end : end + size], dtype=dtype).reshape(shape).copy()
        end += size
    return told["header"], arrays


def arrays_of(known: Known) -> dict[str, np.ndarray]:
    """Return the arrays of a label and its geometry."""
    label = known.label
    given = {name: getattr(label, name) for name in _ARRAYS if getattr(label, name) is not None}
    memory = {_MEMORY + name: np.asarray(array) for name, array in label.memory.items()}
    return {"positions": known.positions, **given, **memory}


def words_of(label: Label) -> dict[str, object]:
    """Return all of a label that is no array."""
    checks = {name: float(value) for name, value in label.checks.items()}
    return {
        "quality": int(label.quality),
        "reason": label.reason,
        "seconds": float(label.seconds),
        "checks": checks,
    }


def known_from(words: Mapping[str, object], arrays: Mapping[str, np.ndarray]) -> Known:
    """Return the geometry and its label that `words_of` and `arrays_of` took apart."""
    memory = {n.removeprefix(_MEMORY): array for n, array in arrays.items() if n.startswith(_MEMORY)}
    label = Label(
        quality=Quality(words["quality"]),
        reason=words["reason"],
        seconds=words["seconds"],
        checks=words["checks"],
        memory=memory,
        **{name: arrays.get(name) for name in _ARRAYS},
    )
    return Known(arrays["positions"], label)
