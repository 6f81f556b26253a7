"""Charges of atoms that keep the charge of every fragment.

Each element has a formal charge z; an atom predicts how far it is from it, d_i. What it takes or gives is
given back among its neighbours and itself, with weights that end smoothly at the cutoff f_c of the encoder:

    q_i = z_i + d_i - Σ_j w_ij d_j / Σ_k w_kj,    w_ii = 1,  w_ij = f_c(r_ij).

The sum over i of the last term is Σ_j d_j, whatever d is. So the total charge is Σ z, to rounding; and since
no weight crosses a gap wider than the cutoff, the charge of every fragment beyond the cutoff of all others is
the sum of its own z, and its charges do not know of the others at all. In between everything is smooth. A
difference that is shared out among all atoms of a structure keeps the total charge too, but then far
fragments change each other.

What this cannot do: fragments of the same atoms that part with different charges, Na + Cl and Na⁺ + Cl⁻.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nadyn.models.encoders.radial import polynomial_cutoff
from nadyn.models.surroundings import Surroundings


@dataclass(frozen=True)
class ChargesSettings:
    """Hyperparameters of `Charges`.

    Attributes:
        width: σ of the softened charges [bohr], see `nadyn.models.terms.electrostatics`.
    """

    width: float


class Charges(nn.Module):
    """The formal charges of elements, and what makes charges that keep them of the numbers of a network."""

    def __init__(self, elements: tuple[int, ...], cutoff: float):
        super().__init__()
        self.elements = elements
        self.cutoff = cutoff
        self.register_buffer("formal", torch.zeros(len(elements), dtype=torch.float64))

    def forward(
        self, differences: Float[Tensor, "atom traj"], surroundings: Surroundings
    ) -> Float[Tensor, "atom traj"]:
        """Return the charges [e] in float64.

        Args:
            differences: d of each atom [e], of any precision.
            surroundings: Those of all atoms.
        """
        differences = differences.to(torch.float64)
        weights = polynomial_cutoff(surroundings.distances.to(torch.float64) / self.cutoff)
        shares = differences / (1.0 + weights.sum(dim=2))
        given_back = shares + (weights * surroundings.gather(shares)).sum(dim=2)
        return self.of_elements(self.formal, surroundings) + differences - given_back

    def of_elements(
        self, values: Float[Tensor, "element"], surroundings: Surroundings
    ) -> Float[Tensor, "atom traj"]:
        """Return for each atom the value of its element."""
        n_traj = surroundings.vectors.shape[1]
        return torch.cat(
            [
                values[self.elements.index(element)].expand(part.stop - part.start, n_traj)
                for element, part in surroundings.atoms
            ]
        )

    def total(self, atomic_numbers: tuple[int, ...]) -> float:
        """Return the charge of a structure [e]."""
        return float(sum(float(self.formal[self.elements.index(number)]) for number in atomic_numbers))
