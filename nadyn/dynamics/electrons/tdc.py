"""Time-derivative couplings T_kl = <k|d/dt l>: from coupling vectors, from overlaps."""

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.dynamics.state.batch_independence import electronic_width, ordered_sum
from nadyn.electronic.surfaces import directional_gradient, in_blocks
from nadyn.models.model import Model


def tdc_from_couplings(
    model: Model,
    positions: Float[Tensor, "traj atom x"],
    momenta: Float[Tensor, "traj atom x"],
    masses: Float[Tensor, "atom"],
    energies: Float[Tensor, "traj state"],
    eigenvectors: Float[Tensor, "traj basis state"],
) -> Float[Tensor, "traj state state"]:
    """Return T_kl = d_kl . v = h_kl . v / (E_l - E_k) [1/au of time]; 0 for two equal energies.

    One backward pass a pair of states.

    Source: J. C. Tully, J. Chem. Phys. 93, 1061 (1990), equation 9.
    """
    velocity = momenta / masses[:, None]
    tdc = energies.new_zeros(*energies.shape, energies.shape[1])
    for k in range(energies.shape[1]):
        for l in range(k + 1, energies.shape[1]):
            h = directional_gradient(model, positions, eigenvectors[:, :, k], eigenvectors[:, :, l])
            gap = energies[:, l] - energies[:, k]
            rate = ordered_sum(h * velocity) / torch.where(gap == 0, torch.inf, gap)
            tdc[:, k, l], tdc[:, l, k] = rate, -rate
    return tdc


def tdc_from_overlap(
    overlap: Float[Tensor, "traj state state2"], *, dt: float
) -> Float[Tensor, "traj state state"]:
    """Return the average of T over a step by norm-preserving interpolation [1/au of time].

    The states are thought to turn into those of the next geometry at a constant rate, pair by pair. For two
    states the integral of T is exactly the angle of rotation, however narrow the crossing.

    Source: G. A. Meek and B. G. Levine, J. Phys. Chem. Lett. 5, 2351 (2014), equations 9 to 13.

    Args:
        overlap: Orthogonal S_kl = <k(t)|l(t+dt)>, signs chosen so that its diagonal is positive.
        dt: Time step [au].
    """
    n = overlap.shape[1]

    def block(w: Tensor) -> tuple[Tensor]:
        tdc = torch.zeros_like(w)
        for k in range(n):
            for l in range(k + 1, n):
                # The formula's T_jk belongs to <k(t)|j(t+dt)> as its W_kj: j is l here, and k is k.
                value = _pair(w[:, l, l], w[:, k, k], w[:, k, l], w[:, l, k], rest=n > 2)
                tdc[:, k, l], tdc[:, l, k] = value / dt, -value / dt
        return (tdc,)

    return in_blocks(electronic_width(n, overlap), block, overlap)[0]


def _pair(jj: Tensor, kk: Tensor, kj: Tensor, jk: Tensor, *, rest: bool) -> Tensor:
    jj, kk, jk, kj = (w.clamp(-1.0, 1.0) for w in (jj, kk, jk, kj))
    acos_jj, acos_kk, asin_jk, asin_kj = torch.acos(jj), torch.acos(kk), torch.asin(jk), torch.asin(kj)
    a, b = -_sinc(acos_jj - asin_jk), _sinc(acos_jj + asin_jk)
    c, d = _sinc(acos_kk - asin_kj), _sinc(acos_kk + asin_kj)
    value = acos_jj * (a + b) + asin_kj * (c + d)
    if rest:
        value = value + _from_other_states(jj, kk, jk, kj)
    return 0.5 * value


def _from_other_states(jj: Tensor, kk: Tensor, jk: Tensor, kj: Tensor) -> Tensor:
    """The part of the average that comes from what the pair loses to the other states, as to one state l."""
    lj = torch.sqrt(torch.clamp(1.0 - jj * jj - kj * kj, min=0.0))
    some = lj > 1e-10
    lk = -(jk * jj + kk * kj) / torch.where(some, lj, 1.0)
    lk = lk.clamp(-1.0, 1.0)
    asin_lj, asin_lk = torch.asin(lj), torch.asin(lk)
    difference = asin_lj * asin_lj - asin_lk * asin_lk
    same = difference.abs() < 1e-10
    root = torch.sqrt((1.0 - lj * lj) * (1.0 - lk * lk))
    general = 2.0 * asin_lj * (lj * lk * asin_lj + (root - 1.0) * asin_lk)
    general = general / torch.where(same, 1.0, difference)
    return torch.where(some, torch.where(same, lj * lj * torch.sign(lk), general), 0.0)


def _sinc(x: Tensor) -> Tensor:
    return torch.where(x.abs() < 1e-9, 1.0, torch.sin(x) / torch.where(x.abs() < 1e-9, 1.0, x))
