"""Change of momentum at a hop: along which direction, by how much, and what a refused hop does."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from nadyn.dynamics.state.batch_independence import ordered_sum
from nadyn.electronic.surfaces import in_blocks

Frustrated = Literal["keep", "reverse", "jasper_truhlar"]

# A direction that keeps less of its length than this in the projection was a rigid motion; noise is left.
_RIGID_FRACTION = 1e-10
_INERTIA_BLOCK = 64


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


def without_rigid_motion(
    direction: Float[Tensor, "traj atom 3"],
    positions: Float[Tensor, "traj atom 3"],
    masses: Float[Tensor, "atom"],
) -> Float[Tensor, "traj atom 3"]:
    """Return a direction of momentum change that keeps total and angular momentum.

    d' = d - M (V + w x r), r from the centre of mass, V = sum d / sum M and w = I^-1 sum r x d: the
    velocities d/M lose their rigid translation and rotation. Zero if nothing else was in them.

    Source: Y. Shu, L. Zhang, S. Sun, Y. Huang and D. G. Truhlar, J. Phys. Chem. Lett. 11, 1135 (2020), which
    shows why raw couplings change the angular momentum.

    Args:
        direction: Direction of the kick, for instance h_kl.
        positions: Nuclear positions [bohr].
        masses: Masses [electron mass].
    """

    def block(direction: Tensor, positions: Tensor) -> tuple[Tensor]:
        return (_project(direction, positions, masses),)

    return in_blocks(_INERTIA_BLOCK, block, direction, positions)[0]


def _project(direction: Tensor, positions: Tensor, masses: Tensor) -> Tensor:
    weight = (masses / masses.sum())[:, None]
    centre = _sum_over_atoms(positions * weight)
    r = positions - centre[:, None]
    free = direction - weight * _sum_over_atoms(direction)[:, None]
    squares = r * r
    distance = squares[..., 0] + squares[..., 1] + squares[..., 2]
    identity = torch.eye(3, dtype=r.dtype)
    outer = r[..., :, None] * r[..., None, :]
    inertia = _sum_over_atoms(masses[:, None, None] * (distance[..., None, None] * identity - outer))
    moments, axes = torch.linalg.eigh(inertia)
    angular = _sum_over_atoms(torch.linalg.cross(r, free))
    # A linear molecule has no inertia about its axis, and nothing turns about it.
    turning = moments > 1e-10 * moments[:, -1:]
    components = _dot(axes, angular[:, :, None]) / torch.where(turning, moments, 1.0)
    components = torch.where(turning, components, 0.0)
    omega = _dot(axes.mT, components[:, :, None])
    projected = free - masses[:, None] * torch.linalg.cross(omega[:, None].expand_as(r), r)
    kept = ordered_sum(projected * projected) > _RIGID_FRACTION**2 * ordered_sum(direction * direction)
    return torch.where(kept[:, None, None], projected, 0.0)


def _sum_over_atoms(terms: Tensor) -> Tensor:
    total = terms[:, 0]
    for n in range(1, terms.shape[1]):
        total = total + terms[:, n]
    return total


def _dot(matrix: Tensor, column: Tensor) -> Tensor:
    """Sum over the first matrix axis, for 3 x 3 matrices."""
    terms = matrix * column
    return terms[:, 0] + terms[:, 1] + terms[:, 2]


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
