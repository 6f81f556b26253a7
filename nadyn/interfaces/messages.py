"""Geometries and labels as bytes between processes: arrays and words, nothing that could run."""

import io
import json
from collections.abc import Mapping
from typing import BinaryIO

import numpy as np

from nadyn.electronic.direct.questions import Question
from nadyn.electronic.labels import Known, Label, Quality

Message = dict[str, np.ndarray]

_OPTIONAL = ("forces", "interstate_couplings", "dipoles")
_LENGTH_BYTES = 8


def send(stream: BinaryIO, message: Message) -> None:
    """Write a message with its length in front.

    Raises:
        BrokenPipeError: Nobody reads any more.
    """
    content = io.BytesIO()
    np.savez(content, **message)
    data = content.getvalue()
    stream.write(len(data).to_bytes(_LENGTH_BYTES, "little") + data)
    stream.flush()


def receive(stream: BinaryIO) -> Message | None:
    """Return the next message; None where the other side has ended."""
    head = stream.read(_LENGTH_BYTES)
    if len(head) < _LENGTH_BYTES:
        return None
    data = stream.read(length := int.from_bytes(head, "little"))
    if len(data) < length:
        return None
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def words(content: object) -> np.ndarray:
    """Return what JSON can hold as an array of bytes."""
    return np.frombuffer(json.dumps(content).encode(), dtype=np.uint8)


def from_words(array: np.ndarray) -> object:
    return json.loads(array.tobytes().decode())


def label_arrays(label: Label, prefix: str = "") -> Message:
    """Return a label as arrays, whose names begin with a prefix."""
    rest = {
        "quality": int(label.quality),
        "reason": label.reason,
        "seconds": float(label.seconds),
        "checks": {name: float(value) for name, value in label.checks.items()},
        "doubted": None if label.doubted is None else list(label.doubted),
    }
    message = {"energies": np.asarray(label.energies), "rest": words(rest)}
    message |= {name: getattr(label, name) for name in _OPTIONAL if getattr(label, name) is not None}
    message |= {f"memory.{name}": np.asarray(array) for name, array in label.memory.items()}
    return {prefix + name: array for name, array in message.items()}


def label_from_arrays(message: Mapping[str, np.ndarray], prefix: str = "") -> Label:
    """Return the label that `label_arrays` took apart."""
    own = {name.removeprefix(prefix): array for name, array in message.items() if name.startswith(prefix)}
    rest = from_words(own["rest"])
    return Label(
        quality=Quality(rest["quality"]),
        reason=rest["reason"],
        energies=own["energies"],
        seconds=rest["seconds"],
        checks=rest["checks"],
        doubted=None if rest["doubted"] is None else tuple(rest["doubted"]),
        memory={n.removeprefix("memory."): array for n, array in own.items() if n.startswith("memory.")},
        **{name: own[name] for name in _OPTIONAL if name in own},
    )


def question_arrays(question: Question) -> Message:
    """Return a question as arrays."""
    asked = {"parts": question.parts, "compare": question.compare, "along": question.along}
    asked |= {"forces": question.forces, "pairs": question.pairs}
    positions = np.asarray(question.positions, dtype=np.float64)
    message = {"positions": positions, "asked": words(asked), **known_arrays(list(question.near))}
    return message if question.label is None else message | label_arrays(question.label, "label.")


def question_from_arrays(message: Message) -> Question:
    """Return the question that `question_arrays` took apart."""
    asked = from_words(message["asked"])
    return Question(
        message["positions"],
        tuple(known_from_arrays(message)),
        tuple(asked["forces"]),
        tuple((k, l) for k, l in asked["pairs"]),
        parts=asked["parts"],
        compare=asked["compare"],
        along=asked["along"],
        label=label_from_arrays(message, "label.") if "label.energies" in message else None,
    )


def known_arrays(near: list[Known]) -> Message:
    """Return known geometries as arrays."""
    message: Message = {"n_near": np.array(len(near))}
    for number, known in enumerate(near):
        message[f"near{number}.positions"] = known.positions
        message |= label_arrays(known.label, f"near{number}.label.")
    return message


def known_from_arrays(message: Message) -> list[Known]:
    """Return the known geometries that `known_arrays` took apart."""
    return [
        Known(message[f"near{n}.positions"], label_from_arrays(message, f"near{n}.label."))
        for n in range(int(message["n_near"]))
    ]
