"""What a network learns from another one before it is trained on labels: the elements of its matrix."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from nadyn.models.potential import Potential
from nadyn.training.samples import Samples


@dataclass(frozen=True)
class Lesson:
    """What a network learns from another one.

    Attributes:
        teacher: Whose matrix W to learn, elements and all, surplus rows too.
        samples: At which frames.
        signs: D = ±1 of each row: D W D is learned. None for W as it is.
    """

    teacher: Potential
    samples: tuple[Samples, ...]
    signs: Float[Tensor, "basis"] | None = None


def matrix_at(potential: Potential, batch: Samples) -> Float[Tensor, "frame basis basis"]:
    """Return W of a network at some frames [hartree]."""
    precision = next(potential.parameters()).dtype
    return potential(batch.surroundings(batch.positions, potential.network.cutoff, precision))[0]
