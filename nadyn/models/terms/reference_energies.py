"""Where energies are counted from: a number an element, an offset a state, and the scale of the rest."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from nadyn.models.environment import ElementSlices

# How far above the highest state surplus rows start, in units of the energy spread.
_SURPLUS_START = 2.0


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
        rows: tuple[int | None, ...],
    ) -> None:
        """Set all three from the training set.

        The element energies are the least-squares solution (the shortest one where compositions do not
        determine it) for the mean over states; offsets are the mean excess of each state, and surplus rows
        start two spreads above the highest; the scale is the spread of what is left.

        Args:
            compositions: Number of atoms of each element.
            energies: Adiabatic energies [hartree]; NaN where a label is missing.
            rows: For each row of W the state it starts from, None for a surplus row.
        """
        counts = compositions.to(torch.float64)
        mean = energies.mean(dim=1)
        known = ~torch.isnan(mean)
        solution = torch.linalg.lstsq(counts[known], mean[known].unsqueeze(1), driver="gelsd").solution[:, 0]
        self.per_element.copy_(solution)
        excess = energies[known] - (counts[known] @ solution).unsqueeze(1)
        means = excess.mean(dim=0)
        spread = (excess - means).std() if len(excess) > 1 else torch.zeros((), dtype=torch.float64)
        if not spread > 0:
            spread = torch.full_like(spread, 1e-3)
        self.scale.copy_(spread)
        surplus = means[-1] + _SURPLUS_START * spread
        self.offsets.copy_(torch.stack([surplus if state is None else means[state] for state in rows]))
