"""What is asked of a label source for one geometry of a trajectory, and the desks that have it answered."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from nadyn.electronic.labels import (
    FollowsSolutions,
    HasOverlaps,
    Known,
    Label,
    LabelsInParts,
    LabelSource,
    Quality,
)


@dataclass(frozen=True)
class Question:
    """A geometry that wants a label, and where the trajectory comes from.

    Attributes:
        positions: The geometry [bohr].
        near: Where to begin from, the nearest first.
        forces: States whose forces are needed.
        pairs: Pairs k < l whose couplings are needed.
        parts: Whether a source may leave out all other forces and couplings.
        compare: Whether the overlap with the states of the nearest is asked for.
        along: Whether the trajectory has come from the nearest in one step, so that its solution goes on.
        label: The label where it is there already; then only the overlap is to be found.
    """

    positions: Float[np.ndarray, "atom 3"]
    near: tuple[Known, ...] = ()
    forces: tuple[int, ...] = ()
    pairs: tuple[tuple[int, int], ...] = ()
    parts: bool = False
    compare: bool = False
    along: bool = False
    label: Label | None = None


@dataclass(frozen=True)
class Answer:
    """A label, None where it is not there yet, and S_kl = ⟨k at the nearest|l here⟩ if that was asked for."""

    label: Label | None
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


def answer_from(source: LabelSource, question: Question) -> Answer:
    """Return the answer of a source to one question."""
    label = question.label if question.label is not None else _label_from(source, question)
    if label is None or not question.compare or label.quality == Quality.FAILED:
        return Answer(label)
    return Answer(label, np.asarray(source.overlaps(question.near[0], Known(question.positions, label))))


def _label_from(source: LabelSource, question: Question) -> Label | None:
    positions, near = question.positions, question.near
    if question.along and isinstance(source, FollowsSolutions):
        return source.label_along(positions, near[0], forces=question.forces, pairs=question.pairs)
    if question.parts and isinstance(source, LabelsInParts):
        return source.label_parts(positions, near, forces=question.forces, pairs=question.pairs)
    return source.label(positions, near)


@dataclass(frozen=True)
class OwnProcess:
    """A desk that asks a source in this very process, one geometry after the other."""

    source: LabelSource
    facts: Facts = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "facts", facts_of(self.source))

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """Return the answers in the order of the questions."""
        return [answer_from(self.source, question) for question in questions]

    def close(self) -> None:
        """Do nothing."""
