"""A geometry turned into the frame of a reference, and vectors turned back."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.checks.errors import InputError

# Of the moment that fixes a rotation, relative to its largest value: below, an axis could be any.
_FREE_AXIS = 1e-6


@dataclass(frozen=True, eq=False)
class Orientation:
    """One geometry in the frame of a reference.

    y = g (R - C) + C⁰ with the rotation g that makes Σ M |y - R⁰|² smallest and the centres of mass C, C⁰, so
    that the conditions of Eckart hold, Σ M (R⁰ - C⁰) × (y - C⁰) = 0. Source: A. Y. Dymarsky and K. N. Kudin,
    J. Chem. Phys. 122, 124103 (2005).

    Attributes:
        positions: The geometry in the frame of the reference, y [bohr].
        rotation: g, from the frame of the geometry to that of the reference.
        reference: R⁰ from its centre of mass [bohr].
        masses: Mass of each atom [electron mass].
    """

    positions: Float[Tensor, "atom 3"]
    rotation: Float[Tensor, "3 3"]
    reference: Float[Tensor, "atom 3"]
    masses: Float[Tensor, "atom"]

    def gradient(self, inner: Float[Tensor, "*batch atom 3"]) -> Float[Tensor, "*batch atom 3"]:
        """Return ∂f/∂R of functions whose ∂f/∂y is given, the response of the rotation included.

        Where atoms move, g turns to keep the conditions of Eckart: δω = -B⁻¹ Σ M R⁰ × g δR with
        B = Σ M [(R⁰·y) 1 - y R⁰ᵀ]. So ∂f/∂R = gᵀ [G - M a × R⁰ - (M / Σ M) Σ G] with Bᵀ a = Σ y × G: no net
        force and no torque, as for every function of the inner coordinates alone.

        Args:
            inner: G = ∂f/∂y.
        """
        weights = self.masses / self.masses.sum()
        y = self.positions - weights @ self.positions
        # Of a function of y - C⁰: without the part that moves the whole.
        free = inner - weights[:, None] * inner.sum(-2, keepdim=True)
        torque = torch.linalg.cross(y.expand_as(free), free).sum(-2)
        moment = _moment(y, self.reference, self.masses)
        response = torch.linalg.solve(moment.T, torque[..., None])[..., 0]
        turned = torch.linalg.cross(response[..., None, :].expand_as(free), self.reference.expand_as(free))
        return (free - self.masses[:, None] * turned) @ self.rotation

    def turned_back(self, vectors: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3"]:
        """Return vectors of the frame of the reference as the geometry itself sees them."""
        return vectors @ self.rotation


def oriented(
    positions: Float[Tensor, "atom 3"],
    reference: Float[Tensor, "atom 3"],
    masses: Float[Tensor, "atom"],
) -> Orientation:
    """Turn a geometry into the frame of a reference; a mirror image stays one.

    Args:
        positions: The geometry [bohr].
        reference: The reference [bohr].
        masses: Mass of each atom [electron mass].

    Raises:
        InputError: The rotation is not defined: atoms in a line, or a geometry as far from the reference as
            from its image turned over.
    """
    weights = masses / masses.sum()
    centre = weights @ reference
    origin = reference - centre
    moved = positions - weights @ positions
    left, sizes, right = torch.linalg.svd((masses[:, None] * origin).T @ moved)
    sign = torch.linalg.det(left) * torch.linalg.det(right)
    signs = torch.stack([torch.ones_like(sign), torch.ones_like(sign), sign])
    rotation = left @ (signs[:, None] * right)
    sizes = sizes * signs
    # The moments about the three axes; where one vanishes the molecule may turn about it.
    if not float(sizes[1] + sizes[2]) > _FREE_AXIS * float(sizes[0]):
        raise InputError("the geometry must have one orientation next to the reference, but has several.")
    return Orientation(moved @ rotation.T + centre, rotation, origin, masses)


def _moment(
    y: Float[Tensor, "atom 3"], reference: Float[Tensor, "atom 3"], masses: Float[Tensor, "atom"]
) -> Float[Tensor, "3 3"]:
    weighted = masses[:, None] * reference
    return (weighted * y).sum() * torch.eye(3, dtype=y.dtype) - y.T @ weighted
