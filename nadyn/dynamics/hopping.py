"""When a trajectory hops, and to which state: fewest switches from a finite-step propagator."""

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from nadyn.dynamics.batch_independence import electronic_width
from nadyn.electronic.surfaces import in_blocks


def hopping_probabilities(
    coefficients: Complex[Tensor, "traj state"],
    new_coefficients: Complex[Tensor, "traj state"],
    propagator: Complex[Tensor, "traj state state2"],
    active_state: Int[Tensor, "traj"],
) -> Float[Tensor, "traj state"]:
    """Return the probability to hop from the active state a to each state l during a step.

    P(a->l) = (1 - |c_a(t+dt)|^2 / |c_a(t)|^2)
              Re[c_l(t+dt) R*_la c*_a(t)] / (|c_a(t)|^2 - Re[c_a(t+dt) R*_aa c*_a(t)]),
    with c(t+dt) = R c(t); negative values become 0. For small steps this is Tully's
    2 Re(c*_a c_l T_al) dt / |c_a|^2 with T_kl = <k|d/dt l>; at a narrow crossing, where Tully's expression
    needs tiny steps, it stays the flow of population out of a.

    Source: F. Plasser, G. Granucci, J. Pittner, M. Barbatti, M. Persico and H. Lischka, J. Chem. Phys. 137,
    22A514 (2012); limit: J. C. Tully, J. Chem. Phys. 93, 1061 (1990).

    Args:
        coefficients: c(t).
        new_coefficients: c(t+dt), before any decoherence correction.
        propagator: R.
        active_state: a.
    """

    def block(c: Tensor, new: Tensor, propagator: Tensor, active: Tensor) -> tuple[Tensor]:
        return (_probabilities(c, new, propagator, active),)

    (probabilities,) = in_blocks(
        electronic_width(coefficients.shape[1]),
        block,
        torch.view_as_real(coefficients),
        torch.view_as_real(new_coefficients),
        torch.view_as_real(propagator),
        active_state,
    )
    return probabilities


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


def _probabilities(c: Tensor, new: Tensor, propagator: Tensor, active: Tensor) -> Tensor:
    n = c.shape[1]
    pair = active[:, None, None].expand(-1, 1, 2)
    c_a, new_a = c.gather(1, pair)[:, 0], new.gather(1, pair)[:, 0]
    column = propagator.gather(2, active[:, None, None, None].expand(-1, n, 1, 2))[:, :, 0]
    # R_la c_a, the part of c_l(t+dt) that came from the active state.
    from_a_re = column[..., 0] * c_a[:, None, 0] - column[..., 1] * c_a[:, None, 1]
    from_a_im = column[..., 0] * c_a[:, None, 1] + column[..., 1] * c_a[:, None, 0]
    arrived = new[..., 0] * from_a_re + new[..., 1] * from_a_im
    before = c_a[:, 0] * c_a[:, 0] + c_a[:, 1] * c_a[:, 1]
    after = new_a[:, 0] * new_a[:, 0] + new_a[:, 1] * new_a[:, 1]
    leaving = before - arrived.gather(1, active[:, None])[:, 0]
    scale = (before - after) / (before * leaving)
    probabilities = scale[:, None] * arrived
    # Nothing can leave an empty state, and nothing has left where the denominator vanishes.
    valid = (before > 0) & (leaving != 0)
    states = torch.arange(n)
    allowed = valid[:, None] & (states[None, :] != active[:, None]) & (probabilities > 0)
    return torch.where(allowed, probabilities, 0.0)
