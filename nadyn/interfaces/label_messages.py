"""Questions and answers between a run and the processes that label for it, as bytes."""

from collections.abc import Mapping

from nadyn.electronic.direct.array_bytes import arrays_of, from_bytes, known_from, to_bytes, words_of
from nadyn.electronic.direct.questions import Answer, Question
from nadyn.electronic.labels import Known

_NEAR = "near/"


def question_to_bytes(question: Question) -> bytes:
    """Return a question as bytes."""
    header: dict[str, object] = {
        "forces": list(question.forces),
        "pairs": [list(pair) for pair in question.pairs],
        "compare": question.compare,
        "near": None,
    }
    arrays = {"positions": question.positions}
    if question.near is not None:
        header["near"] = words_of(question.near.label)
        arrays |= {_NEAR + name: array for name, array in arrays_of(question.near).items()}
    return to_bytes(header, arrays)


def question_from_bytes(text: bytes) -> Question:
    """Return the question that `question_to_bytes` took apart."""
    header, arrays = from_bytes(text)
    near = None
    if header["near"] is not None:
        of_near = {n.removeprefix(_NEAR): array for n, array in arrays.items() if n.startswith(_NEAR)}
        near = known_from(header["near"], of_near)
    pairs = tuple((k, l) for k, l in header["pairs"])
    return Question(arrays["positions"], near, tuple(header["forces"]), pairs, header["compare"])


def answer_to_bytes(question: Question, answer: Answer) -> bytes:
    """Return an answer as bytes."""
    arrays = arrays_of(Known(question.positions, answer.label))
    overlap = {} if answer.overlap is None else {"overlap": answer.overlap}
    return to_bytes({"kind": "answer", **words_of(answer.label)}, {**arrays, **overlap})


def refusal_to_bytes(sentence: str) -> bytes:
    """Return the sentence of an error that would be the same at every geometry."""
    return to_bytes({"kind": "refusal", "sentence": sentence}, {})


def answer_from(header: Mapping[str, object], arrays: Mapping[str, object]) -> Answer:
    """Return the answer that `answer_to_bytes` took apart."""
    return Answer(known_from(header, arrays).label, arrays.get("overlap"))
