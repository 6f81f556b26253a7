"""What a source was asked for, in order, and how much may still be asked."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from nadyn.data import Group
from nadyn.data.label_record import geometry_name
from nadyn.electronic.labels import Known, Label, LabelSource, Quality
from nadyn.learning.export import group_of_labels


@runtime_checkable
class Labels(Protocol):
    """Who labels, such as a `Desk`."""

    @property
    def source(self) -> LabelSource:
        """What the labels are from."""
        ...

    def label(self, geometries: Float[np.ndarray, "frame atom 3"], *, tag: str = "") -> list[Label | None]:
        """Return the label of each geometry [bohr], None where there is none yet."""
        ...


class Notebook:
    """Labels of one desk, each geometry once; beyond the budget a label has failed, and nobody is asked.

    A label that lies in the store already counts too, so that a search that is done again costs the same.
    """

    def __init__(self, desk: Labels, most: int, *, tag: str) -> None:
        """Begin with nothing asked.

        Args:
            desk: Who labels.
            most: How many geometries may be asked for.
            tag: A word that the store keeps with the labels.
        """
        self._desk, self._most, self._tag = desk, most, tag
        self._known: dict[str, Known] = {}

    def __len__(self) -> int:
        return len(self._known)

    @property
    def left(self) -> int:
        """How many more may be asked for."""
        return max(self._most - len(self._known), 0)

    def since(self, before: int) -> list[Known]:
        """Return what was asked after so many others."""
        return list(self._known.values())[before:]

    @property
    def n_trusted(self) -> int:
        """How many labels may train."""
        return sum(one.label.quality is Quality.TRUSTED for one in self._known.values())

    def label(self, geometries: Float[np.ndarray, "frame atom 3"]) -> list[Label | None]:
        """Return a label for each geometry [bohr]; see `Desk.label`."""
        names = [geometry_name(one) for one in geometries]
        new = [n for n, name in enumerate(names) if name not in self._known][: self.left]
        self._ask([geometries[n] for n in new])
        asked = {names[n] for n in new}
        return [self._answer(name, name in asked) for name in names]

    def remember(self, geometries: Sequence[Sequence[Sequence[float]]]) -> None:
        """Take in what an earlier call has asked for [bohr], whatever the budget is now."""
        self._ask([np.array(one, dtype=np.float64) for one in geometries])

    def _ask(self, geometries: Sequence[np.ndarray]) -> None:
        if geometries:
            answers = self._desk.label(np.stack(geometries), tag=self._tag)
            for one, label in zip(geometries, answers, strict=True):
                if label is not None:
                    self._known[geometry_name(one)] = Known(np.array(one), label)

    def group(self, name: str) -> Group:
        """Return the trusted labels as data of a molecule.

        Raises:
            InputError: None is trusted.
        """
        return group_of_labels(self._desk.source, list(self._known.values()), name)

    def _answer(self, name: str, was_asked: bool) -> Label | None:
        if name in self._known:
            return self._known[name].label
        if was_asked:
            return None
        nothing = np.full(len(self._desk.source.multiplicities), np.nan)
        return Label(Quality.FAILED, "the budget of labels is spent", nothing)
