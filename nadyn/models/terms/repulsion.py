"""Short-range repulsion of Ziegler, Biersack and Littmark, below the distances of the training set."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nadyn.checks.errors import InputError
from nadyn.models.encoders.radial import polynomial_cutoff
from nadyn.models.surroundings import Surroundings
from nadyn.units import BOHR_PER_ANGSTROM

AMPLITUDES = (0.18175, 0.50986, 0.28022, 0.02817)
EXPONENTS = (3.19980, 0.94229, 0.40290, 0.20162)


class Repulsion(nn.Module):
    """Σ_{i<j} Z_i Z_j / r φ(r/a), a = 0.46850 Å/(Z_i^0.23 + Z_j^0.23).

    It ends smoothly, each pair of elements at its own distance. At the distances of the training data it is
    zero, so nothing has to be learned around it; below them it keeps atoms from falling into each other,
    where a network knows nothing.

    Source: J. F. Ziegler, J. P. Biersack and U. Littmark, The Stopping and Range of Ions in Matter (1985).
    """

    def __init__(self, elements: tuple[int, ...], ends: Float[Tensor, "element element"]):
        """Take the elements, and for each pair the distance [bohr] at which the repulsion ends."""
        super().__init__()
        self.elements = elements
        self.register_buffer("ends", ends.to(torch.float64))

    def forward(self, surroundings: Surroundings) -> Float[Tensor, "structure"]:
        """Return the energy [hartree] in float64."""
        of_atoms = []
        for first, atoms in surroundings.atoms:
            total = surroundings.distances[atoms].new_zeros(()).to(torch.float64)
            for second, slots in surroundings.slots:
                end = self.ends[self.elements.index(first), self.elements.index(second)]
                distances = surroundings.distances[atoms][:, :, slots].to(torch.float64)
                screening = 0.46850 * BOHR_PER_ANGSTROM / (first**0.23 + second**0.23)
                reduced = distances / screening
                phi = sum(a * torch.exp(-b * reduced) for a, b in zip(AMPLITUDES, EXPONENTS, strict=True))
                energy = first * second / distances * phi * polynomial_cutoff(distances / end)
                # Every pair is met from both of its atoms.
                total = total + 0.5 * energy.sum(dim=2)
            of_atoms.append(total.expand(surroundings.distances[atoms].shape[:2]))
        return surroundings.per_structure(torch.cat(of_atoms))


def check_ends(ends: tuple[tuple[float, ...], ...], cutoff: float) -> None:
    """Refuse a repulsion that acts where atoms do not see each other.

    Args:
        ends: For each pair of elements where it ends [bohr].
        cutoff: Cutoff of the encoder [bohr].

    Raises:
        InputError: One ends beyond the cutoff.
    """
    longest = max(max(row) for row in ends)
    if longest > cutoff:
        raise InputError(
            f"`repulsion_ends` must not lie beyond the encoder's cutoff of {cutoff:.4g} bohr, but one is at "
            f"{longest:.4g} bohr. Use a longer cutoff."
        )
