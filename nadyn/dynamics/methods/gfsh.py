"""Global-flux surface hopping.

Source: L. Wang, D. Trivedi and O. V. Prezhdo, J. Chem. Theory Comput. 10, 3598 (2014).
"""

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from nadyn.dynamics.methods.fssh import fssh_stepping, hopping_by_amplitudes, hopping_choices
from nadyn.dynamics.methods.method import Stepping
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.dynamics.state.batch_independence import ordered_sum
from nadyn.models.model import Model


def global_flux_probabilities(
    coefficients: Complex[Tensor, "traj state"],
    new_coefficients: Complex[Tensor, "traj state"],
    propagator: Complex[Tensor, "traj state state2"],
    active_state: Int[Tensor, "traj"],
) -> Float[Tensor, "traj state"]:
    """Return the probability to hop from the active state a to each state l during a step.

    With D_k the change of |c_k|^2 in the step: P(a->l) = (D_l / |c_a(t)|^2) D_a / sum_{k: D_k < 0} D_k where
    D_a < 0 and D_l > 0, else 0 (equation 8). It looks at populations only, whatever the couplings, so that a
    hop between states without a direct coupling (superexchange) is possible. For two states it is fewest
    switches.

    Args:
        coefficients: c(t).
        new_coefficients: c(t+dt), before any decoherence correction.
        propagator: Not needed; the same arguments as fewest switches.
        active_state: a.
    """
    before, after = (torch.view_as_real(c) for c in (coefficients, new_coefficients))
    before = before[..., 0] * before[..., 0] + before[..., 1] * before[..., 1]
    after = after[..., 0] * after[..., 0] + after[..., 1] * after[..., 1]
    change = after - before
    lost = ordered_sum(torch.clamp(change, max=0.0))
    own, own_change = (array.gather(1, active_state[:, None]) for array in (before, change))
    possible = (own > 0) & (own_change < 0) & (change > 0)
    flux = change * (own_change / torch.where(lost < 0, lost, 1.0)[:, None])
    return torch.where(possible, flux / torch.where(own > 0, own, 1.0), 0.0)


def _build(config: RunConfiguration, model: Model, masses: Float[Tensor, "atom"]) -> Stepping:
    return fssh_stepping(hopping_choices(config, model, masses, global_flux_probabilities))


GFSH = hopping_by_amplitudes(_build, other_names=("global_flux", "gfs"))
