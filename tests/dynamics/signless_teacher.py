"""A model as a label source with random signs of the states: what a quantum-chemical program is."""

import hashlib
from dataclasses import dataclass, field

import numpy as np
import torch

from nadyn.electronic.labels import Label, Quality
from nadyn.electronic.surfaces import surfaces


def random_signs(positions, n_states):
    """Signs that depend on every bit of the positions."""
    digest = hashlib.sha256(np.ascontiguousarray(positions).tobytes()).digest()
    return np.where(np.frombuffer(digest[:n_states], np.uint8) % 2, 1.0, -1.0)


@dataclass
class Teacher:
    """Labels of a model; the eigenvectors are what it remembers, and overlaps their products."""

    model: object
    gives: frozenset = frozenset({"forces", "interstate_couplings", "overlaps"})
    laws: frozenset = None
    quality_at: object = None
    settled: object = ()
    multiplicities: tuple = ()
    asked: list = field(default_factory=list)
    name: str = "teacher"
    theory: str = "exact"
    charge: int = 0

    def __post_init__(self):
        self.multiplicities = self.multiplicities or (1,) * self.model.n_states
        self.atomic_numbers = self.model.atomic_numbers
        self.laws = self.model.laws if self.laws is None else self.laws

    def label(self, positions, near=()):
        self.asked.append(("label", len(near)))
        return self._label(positions)

    def overlaps(self, first, second):
        return first.label.memory["vectors"].T @ second.label.memory["vectors"]

    def _label(self, positions):
        found = surfaces(self.model, torch.from_numpy(np.array(positions))[None])
        n = self.model.n_states
        is_start = any(np.array_equal(positions, one) for one in self.settled)
        signs = np.ones(n) if is_start else random_signs(positions, n)
        h = found.interstate_coupling[0].numpy() * (signs[:, None] * signs)[..., None, None]
        quality = Quality.TRUSTED if self.quality_at is None else self.quality_at(positions)
        if quality == Quality.FAILED:
            return Label(quality, "it did not converge.", np.full(n, np.nan))
        return Label(
            quality,
            "" if quality == Quality.TRUSTED else "another solution.",
            found.energies[0].numpy(),
            found.forces[0].numpy() if "forces" in self.gives else None,
            h[np.triu_indices(n, 1)] if "interstate_couplings" in self.gives else None,
            seconds=0.5,
            memory={"vectors": found.eigenvectors[0].numpy() * signs},
        )


class PartTeacher(Teacher):
    """The same, which leaves out what is not asked for, and changes its signs when asked again."""

    def label_parts(self, positions, near=(), *, forces, pairs):
        again = bool(near) and np.array_equal(near[0].positions, positions)
        self.asked.append(("again" if again else "label", tuple(forces), tuple(pairs)))
        label = self._label(positions)
        if label.quality == Quality.FAILED:
            return label
        n = self.model.n_states
        left = np.full_like(label.forces, np.nan)
        left[list(forces)] = label.forces[list(forces)]
        couplings = np.full_like(label.interstate_couplings, np.nan)
        all_pairs = list(zip(*np.triu_indices(n, 1), strict=True))
        signs = np.where(np.arange(n) % 2, -1.0, 1.0) if again else np.ones(n)
        for index, (k, l) in enumerate(all_pairs):
            if (k, l) in [tuple(pair) for pair in pairs]:
                couplings[index] = label.interstate_couplings[index] * signs[k] * signs[l]
        memory = {"vectors": label.memory["vectors"] * signs}
        return Label(label.quality, label.reason, label.energies, left, couplings, seconds=0.5, memory=memory)
