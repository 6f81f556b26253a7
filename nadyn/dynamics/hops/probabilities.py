"""When a trajectory hops, and to which state: fewest switches from a finite-step propagator."""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Complex, Float, Int
from torch import Tensor

from nadyn.dynamics.state.batch_independence import electronic_width, ordered_sum
from nadyn.electronic.small_arrays import Array, as_tensor, functions_of, in_parts, rearranged, silent, small

Probabilities = Callable[
    [
        Complex[Tensor, "traj state"],
        Complex[Tensor, "traj state"],
        Complex[Tensor, "traj state state2"],
        Int[Tensor, "traj"],
    ],
    Float[Tensor, "traj state"],
]

# A sum of probabilities this much over 1 is rounding.
_ROUNDING = 1e-9


def flow_probabilities(
    coefficients: Complex[Tensor, "traj state"],
    new_coefficients: Complex[Tensor, "traj state"],
    propagator: Complex[Tensor, "traj state state2"],
    active_state: Int[Tensor, "traj"],
) -> Float[Tensor, "traj state"]:
    """Return what flows from the active state a to each state l during a step, as a part of what was in a.

    P(a->l) = max(0, B_la - B_al) / |c_a(t)|^2 with the flow matrix B_la = Re[c_l(t+dt) R*_la c*_a(t)] and
    c(t+dt) = R c(t). The columns of B add up to |c_a(t)|^2 and its rows to |c_l(t+dt)|^2, so that the net
    flows add up to the population that a has lost, before negative ones become 0. For two states this is
    1 - |c_a(t+dt)|^2/|c_a(t)|^2; for small steps it is Tully's 2 Re(c*_a c_l T_al) dt/|c_a|^2 with
    T_kl = <k|d/dt l>. The sum can exceed 1 where |c_a|^2 is nearly 0, see `at_most_one`.

    Source: the flow of local diabatisation, F. Plasser, G. Granucci, J. Pittner, M. Barbatti, M. Persico and
    H. Lischka, J. Chem. Phys. 137, 22A514 (2012), net of the flow back; limit: J. C. Tully, J. Chem. Phys.
    93, 1061 (1990).

    Args:
        coefficients: c(t).
        new_coefficients: c(t+dt), before any decoherence correction.
        propagator: R.
        active_state: a.
    """
    return _by_rule(_flow, coefficients, new_coefficients, propagator, active_state)


def shared_loss_probabilities(
    coefficients: Complex[Tensor, "traj state"],
    new_coefficients: Complex[Tensor, "traj state"],
    propagator: Complex[Tensor, "traj state state2"],
    active_state: Int[Tensor, "traj"],
) -> Float[Tensor, "traj state"]:
    """Return the loss of the active state a shared out among the states that received something from it.

    P(a->l) = (1 - |c_a(t+dt)|^2 / |c_a(t)|^2)
              Re[c_l(t+dt) R*_la c*_a(t)] / (|c_a(t)|^2 - Re[c_a(t+dt) R*_aa c*_a(t)]);
    negative values become 0. For two states it is `flow_probabilities`. For more, in- and outflow of a can
    cancel in the denominator, and a single step then gives sums far above 1.

    Source: F. Plasser, G. Granucci, J. Pittner, M. Barbatti, M. Persico and H. Lischka, J. Chem. Phys. 137,
    22A514 (2012).

    Args:
        coefficients: c(t).
        new_coefficients: c(t+dt), before any decoherence correction.
        propagator: R.
        active_state: a.
    """
    return _by_rule(_shared_loss, coefficients, new_coefficients, propagator, active_state)


def at_most_one(
    probabilities: Float[Tensor, "traj state"],
) -> tuple[Float[Tensor, "traj state"], Bool[Tensor, "traj"]]:
    """Return probabilities divided by max(1, their sum), and where that has changed them."""
    if probabilities.shape[1] == 2:
        # There is one other state, and what leaves for it is at most all.
        return probabilities, torch.zeros_like(probabilities[:, 0], dtype=torch.bool)
    total = small(ordered_sum(probabilities))
    scaled = small(probabilities) / total.clip(min=1.0)[:, None]
    return as_tensor(scaled), as_tensor(total > 1.0 + _ROUNDING)


def _by_rule(
    rule: Callable[..., Array],
    coefficients: Tensor,
    new_coefficients: Tensor,
    propagator: Tensor,
    active: Tensor,
) -> Tensor:
    if coefficients.shape[1] == 2:
        return _between_two(coefficients, new_coefficients, active)

    def part(c: Array, new: Array, propagator: Array, active: Array) -> tuple[Array]:
        # The trajectories are the last axis here: long vectors are what the processor is fast with.
        c, new = rearranged(c, 2, 1, 0), rearranged(new, 2, 1, 0)
        propagator = rearranged(propagator, 3, 1, 2, 0)
        is_active = functions_of(active).stack([active == l for l in range(c.shape[1])])
        return (rearranged(rule(c, new, propagator, is_active), 1, 0),)

    (probabilities,) = in_parts(
        electronic_width(coefficients.shape[1], coefficients),
        part,
        torch.view_as_real(coefficients.resolve_conj()),
        torch.view_as_real(new_coefficients.resolve_conj()),
        torch.view_as_real(propagator.resolve_conj()),
        active,
    )
    return probabilities


@silent
def _between_two(coefficients: Tensor, new_coefficients: Tensor, active: Tensor) -> Tensor:
    """Between two states all that leaves a arrives at the other, by either rule."""
    is_upper = small(active) == 1
    of = functions_of(is_upper)
    before, after = (
        re * re + im * im
        for c in (small(torch.view_as_real(one)) for one in (coefficients, new_coefficients))
        for re, im in ([of.where(is_upper, c[:, 1, part], c[:, 0, part]) for part in (0, 1)],)
    )
    leaving = (before - after).clip(min=0.0) / of.where(before > 0, before, 1.0)
    return as_tensor(of.stack([of.where(is_upper, leaving, 0.0), of.where(is_upper, 0.0, leaving)], 1))


def _flow(c: Array, new: Array, propagator: Array, is_active: Array) -> Array:
    arrived, before = _arrived(c, new, propagator, is_active)
    (re, im), (r_re, r_im), where = c, propagator, functions_of(c).where
    new_a_re, new_a_im = _pick(new[0], is_active), _pick(new[1], is_active)
    row_re, row_im = _pick(r_re, is_active), _pick(r_im, is_active)
    # B_al, what came to the active state from each of the others.
    back = new_a_re * (row_re * re - row_im * im) + new_a_im * (row_re * im + row_im * re)
    net = (arrived - back).clip(min=0.0) / where(before > 0, before, 1.0)
    return where((before > 0) & ~is_active, net, 0.0)


def _shared_loss(c: Array, new: Array, propagator: Array, is_active: Array) -> Array:
    arrived, before = _arrived(c, new, propagator, is_active)
    new_a_re, new_a_im = _pick(new[0], is_active), _pick(new[1], is_active)
    after = new_a_re * new_a_re + new_a_im * new_a_im
    leaving, where = before - _pick(arrived, is_active), functions_of(c).where
    # Nothing can leave an empty state, and nothing has left where the denominator vanishes.
    denominator = before * leaving
    defined = (before > 0) & (denominator != 0)
    probabilities = arrived * ((before - after) / where(defined, denominator, 1.0))
    return where(defined & ~is_active & (probabilities > 0), probabilities, 0.0)


def _arrived(c: Array, new: Array, propagator: Array, is_active: Array) -> tuple[Array, Array]:
    """Return B_la, what of each new population came from the active state, and |c_a|^2 before."""
    (re, im), (new_re, new_im), (r_re, r_im) = c, new, propagator
    a_re, a_im = _pick(re, is_active), _pick(im, is_active)
    column_re, column_im = _pick(r_re.swapaxes(0, 1), is_active), _pick(r_im.swapaxes(0, 1), is_active)
    from_re = column_re * a_re - column_im * a_im
    from_im = column_re * a_im + column_im * a_re
    return new_re * from_re + new_im * from_im, a_re * a_re + a_im * a_im


def _pick(values: Array, is_active: Array) -> Array:
    """Return what belongs to the active states; states are the first axis, trajectories the last."""
    result, where = values[0], functions_of(values).where
    for l in range(1, len(values)):
        result = where(is_active[l], values[l], result)
    return result
