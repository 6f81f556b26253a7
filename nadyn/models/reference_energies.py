"""Where energies are counted from: a number an element, an offset a state, and the scale of the rest."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from nadyn.models.environment import ElementSlices


class ReferenceEnergies(nn.Module):
    """Σ_i ε_{Z_i} + offset_a for each basis state a, and the scale by which network outputs are multiplied.

    All in float64 [hartree]: total energies are thousands of times larger than what a network learns.
    """

    def __init__(self, elements: tuple[int, ...], n_basis: int):
        super().__init__()
        self.elements = elements
        self.register_buffer("per_element", torch.zeros(len(elements), dtype=torch.float64))
        self.register_buffer("offsets", torch.zeros(n_basis, dtype=torch.float64))
        self.register_buffer("scale", torch.ones((), dtype=torch.float64))

    def forward(self, atoms: ElementSlices) -> Float[Tensor, "basis"]:
        """Return the reference energy of each basis state of one molecule."""
        total = self.offsets
        for element, part in atoms:
            total = total + (part.stop - part.start) * self.per_element[self.elements.index(element)]
        return total

    @torch.no_grad()
    def set_from_data(
        self,
        compositions: Int[Tensor, "frame element"],
        energies: Float[Tensor, "frame state"],
    ) -> None:
        """Set all three from the training set.

        The element energies are the least-squares solution (the shortest one where compositions do not
        determine it) for the mean over states; offsets are the mean excess of each state, surplus basis
        states starting at the highest; the scale is the spread of what is left.

        Args:
            compositions: Number of atoms of each element.
            energies: Adiabatic energies [hartree]; NaN where a label is missing.
        """
        counts = compositions.to(torch.float64)
        mean = energies.mean(dim=1)
        known = ~torch.isnan(mean)
        solution = torch.linalg.lstsq(counts[known], mean[known].unsqueeze(1), driver="gelsd").solution[:, 0]
        self.per_element.copy_(solution)
        excess = energies[known] - (counts[known] @ solution).unsqueeze(1)
        offsets = excess.mean(dim=0)
        surplus = len(self.offsets) - len(offsets)
        self.offsets.copy_(torch.cat([offsets, offsets[-1:].expand(surplus)]))
        spread = (excess - offsets).std()
        self.scale.copy_(spread if len(excess) > 1 and spread > 0 else torch.tensor(1e-3))
