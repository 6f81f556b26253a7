"""How one random number chooses among states."""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def choose_target(
    probabilities: Float[Tensor, "traj state"], active_state: Int[Tensor, "traj"], zeta: Float[Tensor, "traj"]
) -> Int[Tensor, "traj"]:
    """Return the state to hop to: the first l with zeta < P_0 + … + P_l, else the active state."""
    target = active_state.clone()
    decided = torch.zeros_like(active_state, dtype=torch.bool)
    cumulative = torch.zeros_like(zeta)
    for l in range(probabilities.shape[1]):
        cumulative = cumulative + probabilities[:, l]
        now = (zeta < cumulative) & ~decided
        target = torch.where(now, l, target)
        decided = decided | now
    return target
