"""When a trajectory hops, and to which state: fewest switches from a finite-step propagator."""

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from nadyn.dynamics.state.batch_independence import electronic_width
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
    if coefficients.shape[1] == 2:
        return _probabilities_of_two(coefficients, new_coefficients, active_state)

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


def _probabilities_of_two(coefficients: Tensor, new_coefficients: Tensor, active: Tensor) -> Tensor:
    """Between two states all that leaves a arrives at the other: the second factor is 1."""
    before, after = (
        c[..., 0] * c[..., 0] + c[..., 1] * c[..., 1]
        for c in (torch.view_as_real(coefficients), torch.view_as_real(new_coefficients))
    )
    is_upper = active == 1
    before, after = (torch.where(is_upper, p[:, 1], p[:, 0]) for p in (before, after))
    leaving = torch.clamp(before - after, min=0.0) / torch.where(before > 0, before, 1.0)
    return torch.stack([torch.where(is_upper, leaving, 0.0), torch.where(is_upper, 0.0, leaving)], dim=1)


def _probabilities(c: Tensor, new: Tensor, propagator: Tensor, active: Tensor) -> Tensor:
    # The trajectories are the last axis here: long vectors are what the processor is fast with.
    n = c.shape[1]
    (re, im), (new_re, new_im) = (array.permute(2, 1, 0).contiguous() for array in (c, new))
    r_re, r_im = propagator.permute(3, 1, 2, 0).contiguous()
    is_active = torch.arange(n)[:, None] == active
    a_re, a_im = _pick(re, is_active), _pick(im, is_active)
    column_re, column_im = _pick(r_re.transpose(0, 1), is_active), _pick(r_im.transpose(0, 1), is_active)
    # R_la c_a, the part of c_l(t+dt) that came from the active state.
    from_re = column_re * a_re - column_im * a_im
    from_im = column_re * a_im + column_im * a_re
    arrived = new_re * from_re + new_im * from_im
    new_a_re, new_a_im = _pick(new_re, is_active), _pick(new_im, is_active)
    before = a_re * a_re + a_im * a_im
    after = new_a_re * new_a_re + new_a_im * new_a_im
    leaving = before - _pick(arrived, is_active)
    probabilities = arrived * ((before - after) / (before * leaving))
    # Nothing can leave an empty state, and nothing has left where the denominator vanishes.
    allowed = (before > 0) & (leaving != 0) & ~is_active & (probabilities > 0)
    return torch.where(allowed, probabilities, 0.0).T.contiguous()


def _pick(values: Tensor, is_active: Tensor) -> Tensor:
    """Return what belongs to the active states; states are the first axis, trajectories the last."""
    result = values[0]
    for l in range(1, len(values)):
        result = torch.where(is_active[l], values[l], result)
    return result
