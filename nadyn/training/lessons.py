"""What a network learns before it is trained on all labels: the elements of its matrix."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.models.potential import Potential
from nadyn.training.samples import Samples, labelled_matrices


@dataclass(frozen=True)
class Lesson:
    """Matrices W that a network learns, surplus rows too.

    Attributes:
        teacher: Another network whose W is learned, elements and all; None for that of labels.
        samples: At which frames.
        signs: D = ±1 of each row: D W D is learned. None for W as it is.
    """

    teacher: Potential | None
    samples: tuple[Samples, ...]
    signs: Float[Tensor, "basis"] | None = None

    @torch.no_grad()
    def target(self, batch: Samples) -> Float[Tensor, "frame basis basis"]:
        """Return the W to learn at some of the frames [hartree]."""
        matrix = labelled_matrices(batch) if self.teacher is None else matrix_at(self.teacher, batch)
        return matrix if self.signs is None else self.signs[:, None] * matrix * self.signs


def lesson_of_labels(samples: tuple[Samples, ...]) -> Lesson | None:
    """Return the lesson of labelled eigenvectors at the frames that have them; None where none has."""
    known = []
    for group in samples:
        if group.eigenvectors is not None:
            index = torch.nonzero(torch.isfinite(group.eigenvectors).all(dim=(1, 2)))[:, 0]
            if len(index):
                known.append(group.take(index))
    return Lesson(None, tuple(known)) if known else None


def matrix_at(potential: Potential, batch: Samples) -> Float[Tensor, "frame basis basis"]:
    """Return W of a network at some frames [hartree]."""
    precision = next(potential.parameters()).dtype
    return potential(batch.surroundings(batch.positions, potential.network.cutoff, precision))[0]
