"""Which distances to a nearest neighbour a training set has covered: the guard against atoms that are lost.

Descriptors fade with distance, so a bond that breaks leaves no range of descriptors. What is kept is, for
each element, the intervals in which the distances of its atoms to their nearest neighbours lay. Two distances
belong to one interval if the larger is at most 1.15² times the smaller; an interval reaches a factor of 1.15
beyond its ends. An atom whose nearest neighbour is beyond the cutoff sees nothing, wherever that is: it
counts as at the cutoff. So an isolated atom in the data is an interval of its own, and says nothing about a
bond on the way to it.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

# How far beyond a distance in training an atom may be, as a factor.
REACH = 1.15
# From 0.25 to 30 angstrom, gaps of a factor of 1.15² leave room for no more than 18 of them.
MOST_INTERVALS = 20
_NEAREST, _FARTHEST = "network.nearest", "network.farthest"


def no_bound(n_elements: int) -> Float[Tensor, "element interval 2"]:
    """Return intervals that hold every distance."""
    intervals = _none(n_elements)
    intervals[:, 0, 0], intervals[:, 0, 1] = 0.0, torch.inf
    return intervals


def up_to(farthest: Float[Tensor, "element"]) -> Float[Tensor, "element interval 2"]:
    """Return intervals from zero to a distance: what models know that kept the longest distance only."""
    intervals = _none(len(farthest))
    intervals[:, 0, 0], intervals[:, 0, 1] = 0.0, farthest
    return intervals


def known_in_the_first_days(tensors: dict[str, Tensor], network: nn.Module) -> None:
    """Fill in the intervals where the tensors of a file have the longest distance only, or nothing."""
    for key, value in network.state_dict().items():
        if key.endswith(_NEAREST) and key not in tensors:
            farthest = tensors.pop(key.removesuffix(_NEAREST) + _FARTHEST, None)
            tensors[key] = value if farthest is None else up_to(farthest)


def intervals_of(distances: list[Float[Tensor, "_"]], cutoff: float) -> Float[Tensor, "element interval 2"]:
    """Return the first and the last distance of each interval [bohr], for each element.

    Args:
        distances: Of each element, those of all its atoms to their nearest neighbours [bohr]; an element
        without
            any has no bound, because nothing is known of it.
        cutoff: [bohr].
    """
    intervals = no_bound(len(distances))
    for element, found in enumerate(distances):
        if not len(found):
            continue
        ordered = found.to(torch.float32).clamp(max=cutoff).sort().values
        parts = torch.cat([torch.zeros(1), (ordered[1:] > REACH**2 * ordered[:-1]).cumsum(0)]).long()
        intervals[element] = _none(1)[0]
        for part in range(int(parts[-1]) + 1):
            inside = ordered[parts == part]
            intervals[element, part, 0], intervals[element, part, 1] = inside[0], inside[-1]
    return intervals


def is_covered(
    nearest: Float[Tensor, "atom traj"], intervals: Float[Tensor, "interval 2"], cutoff: float
) -> Bool[Tensor, "atom traj"]:
    """Tell which atoms of one element have a nearest neighbour at a distance like those in training."""
    seen = nearest.clamp(max=cutoff)[..., None]
    return ((seen * REACH >= intervals[:, 0]) & (seen <= REACH * intervals[:, 1])).any(-1)


def _none(n_elements: int) -> Float[Tensor, "element interval 2"]:
    intervals = torch.full((n_elements, MOST_INTERVALS, 2), torch.inf)
    intervals[:, :, 1] = -torch.inf
    return intervals
