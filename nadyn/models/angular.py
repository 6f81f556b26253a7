"""Real spherical harmonics up to rank 3 as polynomials of a unit vector, and the rank-2 bridge to 3×3."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

# First and one-past-last component of each rank in `unit_harmonics`.
RANKS = (slice(0, 1), slice(1, 4), slice(4, 9), slice(9, 16))


def unit_harmonics(unit: Float[Tensor, "... 3"]) -> Float[Tensor, "... 16"]:
    """Return 1, r̂, the five components of r̂r̂ - 1/3 and the seven of traceless r̂r̂r̂.

    Each rank is an orthonormal basis of the traceless symmetric tensors, scaled so that its squared
    length is 1: the dot product of two ranks is the Legendre polynomial of the angle between them.
    """
    x, y, z = unit.unbind(-1)
    xx, yy, zz = x * x, y * y, z * z
    s3, s15, s6, s10 = math.sqrt(3.0), math.sqrt(15.0), math.sqrt(6.0), math.sqrt(10.0)
    components = [
        torch.ones_like(x),
        x,
        y,
        z,
        s3 * x * y,
        s3 * y * z,
        1.5 * zz - 0.5,
        s3 * x * z,
        0.5 * s3 * (xx - yy),
        0.25 * s10 * y * (3.0 * xx - yy),
        s15 * x * y * z,
        0.25 * s6 * y * (5.0 * zz - 1.0),
        0.5 * z * (5.0 * zz - 3.0),
        0.25 * s6 * x * (5.0 * zz - 1.0),
        0.5 * s15 * z * (xx - yy),
        0.25 * s10 * x * (xx - 3.0 * yy),
    ]
    return torch.stack(components, dim=-1)


def rank_two_matrices() -> Float[Tensor, "5 3 3"]:
    """Return the five symmetric traceless matrices M_c with Y_c(r̂) = r̂·M_c·r̂, in the order of `unit_harmonics`."""
    h = 0.5 * math.sqrt(3.0)
    matrices = torch.zeros(5, 3, 3, dtype=torch.float64)
    matrices[0, 0, 1] = matrices[0, 1, 0] = h
    matrices[1, 1, 2] = matrices[1, 2, 1] = h
    matrices[2] = torch.diag(torch.tensor([-0.5, -0.5, 1.0], dtype=torch.float64))
    matrices[3, 0, 2] = matrices[3, 2, 0] = h
    matrices[4] = torch.diag(torch.tensor([h, -h, 0.0], dtype=torch.float64))
    return matrices
