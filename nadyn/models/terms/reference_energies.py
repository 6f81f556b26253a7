"""Where energies are counted from: a number an element, an offset a state, and the scale of the rest."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from nadyn.models.surroundings import Surroundings

# An energy this many robust spreads from the others is a mistake, not a geometry: of the shipped and of
# common data the farthest frame lies 3 to 6 away, and 14 where most frames lie close to a seam.
_ABSURD = 20.0
# Where more frames than this part lie far away, they are data: a reaction among frames of one minimum.
_FEW = 0.01
# Rounds of leaving out what is absurd and fitting again.
_ROUNDS = 10
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

    def forward(self, surroundings: Surroundings) -> Float[Tensor, "_ basis"]:
        """Return the reference energy of each basis state, one row where all structures have the same."""
        counts = surroundings.composition(self.elements)
        total = self.offsets.expand(len(counts), -1)
        for column, energy in zip(counts.split(1, dim=1), self.per_element, strict=True):
            total = total + column * energy
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
        determine it) for the mean over states; offsets are the mean excess of each state, of a single row
        zero, and surplus rows start two spreads above the highest; the scale is the spread of what is left.
        Frames whose mean lies more than 20 robust spreads from the others count for none of this, see
        `absurd_energies`: one of them would set the scale of all.

        Args:
            compositions: Number of atoms of each element.
            energies: Adiabatic energies [hartree]; NaN where a label is missing.
            rows: For each row of W the state it starts from, None for a surplus row.
        """
        counts = compositions.to(torch.float64)
        mean = energies.mean(dim=1)
        known = ~torch.isnan(mean)
        kept = known & ~absurd_energies(counts, mean)
        solution = _element_energies(counts[kept], mean[kept])
        self.per_element.copy_(solution)
        excess = energies[kept] - (counts[kept] @ solution).unsqueeze(1)
        means = excess.mean(dim=0)
        if len(rows) == 1:
            # A sum over atoms has no constant of its own: it would not add up over fragments, and no network
            # could learn it away from structures of different size.
            means = torch.zeros_like(means)
        spread = (excess - means).std() if len(excess) > 1 else torch.zeros((), dtype=torch.float64)
        if not spread > 0:
            spread = torch.full_like(spread, 1e-3)
        self.scale.copy_(spread)
        surplus = means[-1] + _SURPLUS_START * spread
        self.offsets.copy_(torch.stack([surplus if state is None else means[state] for state in rows]))


def absurd_energies(
    counts: Float[Tensor, "frame element"], energies: Float[Tensor, "frame"]
) -> Bool[Tensor, "frame"]:
    """Tell which few energies lie 20 robust spreads from a sum over elements that is fitted to the others.

    A robust spread is 1.4826 times the median of the distances to the median. None is absurd where more than
    a hundredth of all frames (and more than one) lies so far away.

    Args:
        counts: Number of atoms of each element.
        energies: One energy a frame [hartree]; NaN where there is none, which is not absurd.
    """
    known = ~torch.isnan(energies)
    few = max(1, int(_FEW * int(known.sum())))
    absurd = torch.zeros_like(known)
    # First by the median of each composition, which one absurd energy hardly moves.
    fitted = _element_energies(*_medians(counts[known], energies[known]))
    for _ in range(_ROUNDS):
        excess = energies - counts @ fitted
        distance = (excess - excess[known].median()).abs()
        spread = 1.4826 * distance[known].median()
        found = known & (distance > _ABSURD * spread) & (spread > 0)
        if int(found.sum()) > few:
            return torch.zeros_like(known)
        if torch.equal(found, absurd):
            break
        absurd = found
        fitted = _element_energies(counts[known & ~absurd], energies[known & ~absurd])
    return absurd


def _medians(
    counts: Float[Tensor, "frame element"], energies: Float[Tensor, "frame"]
) -> tuple[Float[Tensor, "composition element"], Float[Tensor, "composition"]]:
    """Return each composition and its median energy, both times the root of the number of its frames."""
    kinds, kind, n_frames = counts.unique(dim=0, return_inverse=True, return_counts=True)
    medians = torch.stack([energies[kind == one].median() for one in range(len(kinds))])
    weight = n_frames.to(torch.float64).sqrt()
    return kinds * weight[:, None], medians * weight


def _element_energies(
    counts: Float[Tensor, "frame element"], energies: Float[Tensor, "frame"]
) -> Float[Tensor, "element"]:
    return torch.linalg.lstsq(counts, energies.unsqueeze(1), driver="gelsd").solution[:, 0]
