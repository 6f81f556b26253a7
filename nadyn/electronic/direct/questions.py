"""What is asked of a label source for one geometry of a trajectory, and the desks that have it answered."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from nadyn.checks.errors import InputError
from nadyn.electronic.labels import HasOverlaps, Known, Label, LabelsInParts, LabelSource, Quality


@dataclass(frozen=True)
class Question:
    """A geometry that wants a label, and where the trajectory comes from.

    Attributes:
        positions: The geometry [bohr].
        near: Where to begin from; None for a source's own start.
        forces: States whose forces are needed.
        pairs: Pairs k < l whose couplings are needed.
        compare: Whether the overlap with the states of `near` is asked for.
    """

    positions: Float[np.ndarray, "atom 3"]
    near: Known | None = None
    forces: tuple[int, ...] = ()
    pairs: tuple[tuple[int, int], ...] = ()
    compare: bool = False


@dataclass(frozen=True)
class Answer:
    """A label, and S_kl = ⟨k at `near`|l here⟩ where it was asked for and the label is not failed."""

    label: Label
    overlap: Float[np.ndarray, "state state"] | None = None


@dataclass(frozen=True)
class Facts:
    """What a source says of itself, see `LabelSource`; `laws` as in `HasLaws`, None for all of them."""

    name: str
    theory: str
    atomic_numbers: tuple[int, ...]
    charge: int
    multiplicities: tuple[int, ...]
    gives: frozenset[str]
    laws: frozenset[str] | None


@runtime_checkable
class Desk(Protocol):
    """Has questions answered, many at a time.

    Attributes:
        facts: What the source says of itself.
    """

    facts: Facts

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """Return the answers in the order of the questions.

        Raises:
            InputError: The source is missing, or cannot do what it was set up for.
        """
        ...

    def close(self) -> None:
        """Let go of what answers."""
        ...


def facts_of(source: LabelSource) -> Facts:
    """Return what a source says of itself."""
    gives = frozenset(source.gives)
    if not isinstance(source, HasOverlaps):
        gives -= {"overlaps"}
    return Facts(
        name=source.name,
        theory=source.theory,
        atomic_numbers=tuple(int(number) for number in source.atomic_numbers),
        charge=source.charge,
        multiplicities=tuple(source.multiplicities),
        gives=gives,
        laws=getattr(source, "laws", None),
    )


def answer(source: LabelSource, question: Question) -> Answer:
    """Return the answer of a source to one question."""
    near = () if question.near is None else (question.near,)
    if isinstance(source, LabelsInParts):
        label = source.label_parts(
            question.positions, near, forces=list(question.forces), pairs=list(question.pairs)
        )
    else:
        label = source.label(question.positions, near)
    if label is None:
        raise InputError(
            f"the source of `model` must answer while a trajectory waits, but {source.name} answers later. "
            "Label a dataset with it and train a model."
        )
    if not question.compare or label.quality == Quality.FAILED:
        return Answer(label)
    return Answer(label, np.asarray(source.overlaps(question.near, Known(question.positions, label))))


@dataclass(frozen=True)
class OwnProcess:
    """A desk that asks a source in this very process, one geometry after the other."""

    source: LabelSource
    facts: Facts = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "facts", facts_of(self.source))

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """Return the answers in the order of the questions."""
        return [answer(self.source, question) for question in questions]

    def close(self) -> None:
        """Do nothing."""
