"""Down the gap of two states of a model, towards the seam that trajectories have not reached yet."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from nadyn.electronic.surfaces import surfaces
from nadyn.models.model import Model
from nadyn.units import BOHR_PER_ANGSTROM, HARTREE_PER_EV

# Length of a step in all atoms together, and how often one is made.
_STEP = 0.04 * BOHR_PER_ANGSTROM
_STEPS = 40
# The seam is reached; beyond it the direction of a gradient of the gap means nothing.
_REACHED = 0.05 * HARTREE_PER_EV


@dataclass(frozen=True)
class Descent:
    """Where each descent has ended.

    Attributes:
        positions: The last geometries [bohr].
        gap: Gap of the two states there, by the model [hartree].
        left_trust: Which ones ended because the model is not to be trusted any more where they stand.
    """

    positions: Float[Tensor, "traj atom 3"]
    gap: Float[Tensor, "traj"]
    left_trust: Bool[Tensor, "traj"]


def descend(
    model: Model,
    positions: Float[Tensor, "traj atom 3"],
    lower: Int[Tensor, "traj"],
    trusted: Callable[[Float[Tensor, "traj atom 3"]], Bool[Tensor, "traj"]],
) -> Descent:
    """Follow the gradient of the gap between states `lower` and `lower` + 1 down, in steps of 0.04 Å.

    A descent ends at a gap of 0.05 eV, after 40 steps, or at the first geometry that is not trusted, which is
    what a label teaches most about. Both states are moved on: the mean of their energies is not looked at,
    and so far from the seam the end may lie high.

    Args:
        model: The model.
        positions: Where to begin [bohr].
        lower: Lower state of the pair, for each geometry.
        trusted: Tells of each geometry whether the model is still to be trusted there.
    """
    positions = positions.clone()
    rows = torch.arange(len(positions))
    moving = torch.ones(len(positions), dtype=torch.bool)
    left = torch.zeros(len(positions), dtype=torch.bool)
    gap = torch.full((len(positions),), torch.inf, dtype=torch.float64)
    for step in range(_STEPS + 1):
        now = rows[moving]
        if not len(now):
            break
        found = surfaces(model, positions[now])
        here = torch.arange(len(now))
        low, high = lower[now], lower[now] + 1
        gap[now] = found.energies[here, high] - found.energies[here, low]
        left[now] = ~trusted(positions[now])
        slope = found.forces[here, low] - found.forces[here, high]
        length = slope.flatten(1).norm(dim=1)
        goes_on = (gap[now] > _REACHED) & ~left[now] & (length > 0)
        moving[now] = goes_on
        if step == _STEPS:
            break
        # Not farther than to the seam that the slope promises.
        stride = torch.minimum(torch.full_like(length, _STEP), gap[now] / length.clamp(min=1e-30))
        moved = positions[now] - (stride / length.clamp(min=1e-30))[:, None, None] * slope
        positions[now] = torch.where(goes_on[:, None, None], moved, positions[now])
    return Descent(positions, gap, left)
