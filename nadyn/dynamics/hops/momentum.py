"""Change of momentum at a hop: along which direction, by how much, and what a refused hop does."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from nadyn.dynamics.state.batch_independence import ordered_sum

Frustrated = Literal["keep", "reverse", "jasper_truhlar"]


@dataclass(frozen=True)
class Kick:
    """Momenta after an attempted hop, and whether the kinetic energy could pay for it."""

    momenta: Float[Tensor, "traj atom x"]
    accepted: Bool[Tensor, "traj"]


def kick(
    momenta: Float[Tensor, "traj atom x"],
    masses: Float[Tensor, "atom"],
    *,
    direction: Float[Tensor, "traj atom x"],
    energy_change: Float[Tensor, "traj"],
) -> Kick:
    """Change momenta along a direction so that the kinetic energy pays `energy_change`.

    Solves a g^2 + b g + energy_change = 0 for p' = p + g d, with a = sum d^2 / 2m and b = sum p d / m,
    and takes the root of smaller magnitude. Without a real root the hop is frustrated and the momenta are
    unchanged. A direction of length zero gives no reason for any other, and the momenta themselves are used.

    Source: S. Hammes-Schiffer and J. C. Tully, J. Chem. Phys. 101, 4657 (1994).

    Args:
        momenta: Nuclear momenta [au].
        masses: Masses [electron mass].
        direction: Direction of the kick; its length does not matter.
        energy_change: Potential energy after minus before the hop [hartree].
    """
    direction = _unit_length(direction, fallback=momenta)
    a, b = _quadratic(momenta, masses, direction)
    discriminant = b * b - 4.0 * a * energy_change
    accepted = (discriminant >= 0) & (a > 0)
    root = torch.sqrt(torch.where(accepted, discriminant, 0.0))
    # The other root is (-b -+ root) / 2a; this form of the smaller one does not cancel.
    denominator = torch.where(b < 0, b - root, b + root)
    g = torch.where(accepted & (denominator != 0), -2.0 * energy_change / _or_one(denominator), 0.0)
    return Kick(momenta + g[:, None, None] * direction, accepted)


def reverse_component(
    momenta: Float[Tensor, "traj atom x"],
    masses: Float[Tensor, "atom"],
    *,
    direction: Float[Tensor, "traj atom x"],
) -> Float[Tensor, "traj atom x"]:
    """Return p - (b/a) d, the other momenta with the same kinetic energy on the line p + g d (see `kick`)."""
    direction = _unit_length(direction, fallback=momenta)
    a, b = _quadratic(momenta, masses, direction)
    return momenta - (b / _or_one(a))[:, None, None] * direction


def after_frustrated_hop(
    momenta: Float[Tensor, "traj atom x"],
    masses: Float[Tensor, "atom"],
    *,
    direction: Float[Tensor, "traj atom x"],
    target_force: Float[Tensor, "traj atom x"],
    treatment: Frustrated,
) -> Float[Tensor, "traj atom x"]:
    """Return the momenta after a hop that the kinetic energy could not pay.

    keep: unchanged. reverse: the component along the direction is reversed. jasper_truhlar: it is reversed
    where the force of the state that could not be reached would slow the motion along the direction,
    (p·d/m)(F·d) < 0.

    Source: A. W. Jasper and D. G. Truhlar, Chem. Phys. Lett. 369, 60 (2003).

    Args:
        momenta: Nuclear momenta [au].
        masses: Masses [electron mass].
        direction: Direction of the attempted kick.
        target_force: Force on the state of the attempted hop [hartree/bohr].
        treatment: keep, reverse or jasper_truhlar.
    """
    if treatment == "keep":
        return momenta
    reversed_momenta = reverse_component(momenta, masses, direction=direction)
    if treatment == "reverse":
        return reversed_momenta
    direction = _unit_length(direction, fallback=momenta)
    along = ordered_sum(momenta * direction / masses[:, None])
    opposed = along * ordered_sum(target_force * direction) < 0
    return torch.where(opposed[:, None, None], reversed_momenta, momenta)


def _quadratic(momenta: Tensor, masses: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
    velocity = direction / masses[:, None]
    return 0.5 * ordered_sum(direction * velocity), ordered_sum(momenta * velocity)


def _unit_length(direction: Tensor, *, fallback: Tensor) -> Tensor:
    """Scale to largest component 1, so that squares of tiny couplings do not underflow."""
    largest = direction.abs().amax(dim=(1, 2))
    usable = largest > 0
    chosen = torch.where(usable[:, None, None], direction, fallback)
    largest = torch.where(usable, largest, fallback.abs().amax(dim=(1, 2)))
    return chosen / _or_one(largest)[:, None, None]


def _or_one(values: Tensor) -> Tensor:
    return torch.where(values != 0, values, 1.0)
