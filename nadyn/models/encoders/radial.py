"""Functions of one distance: cutoffs that end smoothly, and a radial basis."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.checks.errors import InputError


def polynomial_cutoff(ratio: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Return 1 - 10 x³ + 15 x⁴ - 6 x⁵ for x = r/r_c below 1, and 0 beyond.

    Value, slope and curvature vanish at the cutoff, so that forces and Hessians are continuous.
    """
    x = ratio.clamp(max=1.0)
    return 1.0 + x * x * x * (-10.0 + x * (15.0 - 6.0 * x))


def cosine_cutoff(ratio: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Return (1 + cos πx)/2 for x = r/r_c below 1, and 0 beyond; the curvature jumps at the cutoff.

    Source: J. Behler, J. Chem. Phys. 134, 074106 (2011), equation 5.
    """
    return 0.5 * (1.0 + torch.cos(math.pi * ratio.clamp(max=1.0)))


CUTOFFS = {"polynomial": polynomial_cutoff, "cosine": cosine_cutoff}


def cutoff_function(name: str, distances: Float[Tensor, "..."], cutoff: float) -> Float[Tensor, "..."]:
    """Return the named cutoff function of distances [bohr].

    Raises:
        InputError: The name is not known.
    """
    if name not in CUTOFFS:
        raise InputError(f"`cutoff_function` must be one of {', '.join(CUTOFFS)}, but is {name!r}.")
    return CUTOFFS[name](distances / cutoff)


def exponential_grid(n: int, shortest: float, cutoff: float) -> tuple[list[float], float]:
    """Return centres in s = exp(-r/λ) and their inverse width, for `exponential_basis`.

    The centres are equidistant in s, so that the resolution is finest at short distances, where the
    energy changes fastest. λ is that of `decay_length`.
    """
    scale = decay_length(cutoff)
    low, high = math.exp(-cutoff / scale), math.exp(-shortest / scale)
    spacing = (high - low) / (n - 1)
    return [low + k * spacing for k in range(n)], 1.0 / spacing


def decay_length(cutoff: float) -> float:
    """Return λ [bohr] of the exponential radial grid, a third of the cutoff radius: 2 Å for one of 6 Å."""
    return cutoff / 3.0


def exponential_basis(
    distances: Float[Tensor, "..."], centres: Float[Tensor, "radial"], inverse_width: float, cutoff: float
) -> Float[Tensor, "... radial"]:
    """Return Gaussians in exp(-r/λ), without the cutoff factor.

    g_k(r) = exp(-½ ((exp(-r/λ) - s_k)/Δ)²).

    Source: O. T. Unke and M. Meuwly, J. Chem. Theory Comput. 15, 3678 (2019), equation 7.
    """
    scale = inverse_width / 2.0**0.5
    s = torch.exp(distances * (-1.0 / decay_length(cutoff))) * scale
    difference = s.unsqueeze(-1) - centres * scale
    return torch.exp(-(difference * difference))


def exponential_slope(
    distances: Float[Tensor, "..."],
    basis: Float[Tensor, "... radial"],
    centres: Float[Tensor, "radial"],
    inverse_width: float,
    cutoff: float,
) -> Float[Tensor, "... radial"]:
    """Return the derivatives of `exponential_basis`, whose values are `basis`."""
    decay = -1.0 / decay_length(cutoff)
    s = torch.exp(distances * decay).unsqueeze(-1)
    return basis * (s - centres) * s * (-decay * inverse_width**2)
