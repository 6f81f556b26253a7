"""Diabatic populations of a hopping trajectory."""

import torch
from jaxtyping import Float

from nadyn.dynamics.state import State


def diabatic_populations(state: State) -> Float[torch.Tensor, "traj basis"]:
    """Return diabatic populations: those of the states from the active one, coherences from the coefficients.

    P_d = U_da^2 + sum_(k < l) 2 U_dk U_dl Re(c_k c*_l); their sum is 1 where basis and states are as many.

    Source: B. R. Landry, M. J. Falk and J. E. Subotnik, J. Chem. Phys. 139, 211101 (2013), third method.
    """
    u = state.eigenvectors
    active = u.gather(2, state.active_state[:, None, None].expand(-1, u.shape[1], 1))[:, :, 0]
    populations = active * active
    c = torch.view_as_real(state.coefficients)
    for k in range(u.shape[2]):
        for l in range(k + 1, u.shape[2]):
            coherence = c[:, k, 0] * c[:, l, 0] + c[:, k, 1] * c[:, l, 1]
            populations = populations + u[:, :, k] * u[:, :, l] * (2.0 * coherence)[:, None]
    return populations
