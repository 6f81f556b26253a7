"""How one random number chooses among states."""

from jaxtyping import Float, Int
from torch import Tensor

from nadyn.electronic.small_arrays import as_tensor, functions_of, small


def choose_target(
    probabilities: Float[Tensor, "traj state"], active_state: Int[Tensor, "traj"], zeta: Float[Tensor, "traj"]
) -> Int[Tensor, "traj"]:
    """Return the state to hop to: the first l with zeta < P_0 + … + P_l, else the active state."""
    chances, numbers = small(probabilities), small(zeta)
    target, where = small(active_state), functions_of(chances).where
    decided = cumulative = None
    for l in range(chances.shape[1]):
        cumulative = chances[:, 0] if l == 0 else cumulative + chances[:, l]
        now = numbers < cumulative
        target = where(now if l == 0 else now & ~decided, l, target)
        decided = now if l == 0 else decided | now
    return as_tensor(target)
