"""Short-range repulsion of Ziegler, Biersack and Littmark, below the distances of the training set."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nadyn.models.encoders.radial import polynomial_cutoff
from nadyn.models.environment import Environment
from nadyn.units import BOHR_PER_ANGSTROM

_AMPLITUDES = (0.18175, 0.50986, 0.28022, 0.02817)
_EXPONENTS = (3.19980, 0.94229, 0.40290, 0.20162)


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

    def forward(self, environment: Environment) -> Float[Tensor, "traj"]:
        """Return the energy [hartree] in float64."""
        total = environment.distances.new_zeros(environment.distances.shape[1], dtype=torch.float64)
        for first, atoms in environment.atoms:
            for second, slots in environment.slots:
                end = self.ends[self.elements.index(first), self.elements.index(second)]
                distances = environment.distances[atoms][:, :, slots].to(torch.float64)
                screening = 0.46850 * BOHR_PER_ANGSTROM / (first**0.23 + second**0.23)
                reduced = distances / screening
                phi = sum(a * torch.exp(-b * reduced) for a, b in zip(_AMPLITUDES, _EXPONENTS, strict=True))
                energy = first * second / distances * phi * polynomial_cutoff(distances / end)
                # Every pair is met from both of its atoms.
                total = total + 0.5 * energy.sum(dim=(0, 2))
        return total
