"""Untrained networks with two levels that meet at a planar geometry."""

import torch


def numbers_of(build):
    """Return the elements of a molecule, oxygen replaced by one that the untrained networks know."""
    return tuple(9 if number == 8 else number for number in build().atomic_numbers)


def planar_geometry(build, seed):
    """Return the reference geometry of a molecule, distorted in its plane."""
    reference = build().starting_geometry
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(reference.shape, generator=generator, dtype=torch.float64)
    return reference + 0.1 * noise * torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64)


def bent(planar):
    """Return the geometry with its first two atoms moved out of the plane."""
    out = torch.zeros_like(planar)
    out[:2, 2] = torch.tensor([0.1, -0.1])
    return planar + out


def move_scalar(model, positions, *, onto):
    """Shift the scalar until its level is one with another, which nothing couples it to.

    Where the normal component of a vector, row 3, is coupled to the scalar, their matrix
    (W₀₀ + δ, a; a, W₃₃) has the eigenvalue E at δ = E - W₀₀ - a²/(E - W₃₃).
    """
    matrix = model.evaluate(positions[None]).hamiltonian[0]
    level = onto(matrix)
    shift = level - matrix[0, 0]
    if len(matrix) > 2:
        shift = shift - matrix[0, 3] ** 2 / (level - matrix[3, 3])
    model.potential.reference.offsets[0] += shift
