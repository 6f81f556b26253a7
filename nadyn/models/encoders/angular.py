"""Real spherical harmonics up to rank 3 as polynomials of a unit vector, and the rank-2 bridge to 3×3."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

# Columns that the kernels of small products take at once.
_BLOCK = 32


def unit_harmonics(unit: Float[Tensor, "3 ..."]) -> tuple[Tensor, Tensor, Tensor]:
    """Return r̂, the five components of r̂r̂ - 1/3 and the seven of traceless r̂r̂r̂, components first.

    Each rank is an orthonormal basis of the traceless symmetric tensors, scaled so that its squared
    length is 1: the dot product of two ranks is the Legendre polynomial of the angle between them.

    Ranks are built from products of the rank below with r̂ by constant matrices: few operations, which is
    what derivatives of derivatives need. Components come first, so that each product of a small matrix
    runs along all pairs of atoms at once (measured: ten times faster than with components last).
    """
    to_two, to_three = (matrix.to(unit.device) for matrix in _PRODUCTS[unit.dtype])
    flat = in_whole_blocks(unit)
    second = to_two @ outer(flat, flat)
    third = to_three @ outer(second, flat)
    return unit, out_of_blocks(second, unit), out_of_blocks(third, unit)


def in_whole_blocks(unit: Float[Tensor, "component ..."]) -> Float[Tensor, "component row"]:
    """Return all directions in a row, filled up with zeros to a multiple of 32.

    The last columns of a product that are no whole block are rounded in another way: numbers of a molecule
    would depend on its place in the batch, where the number of pairs of atoms is odd.
    """
    flat = unit.flatten(1)
    missing = -flat.shape[1] % _BLOCK
    return nn.functional.pad(flat, (0, missing)) if missing else flat


def out_of_blocks(rank: Float[Tensor, "component row"], unit: Float[Tensor, "3 ..."]) -> Tensor:
    """Return a rank of all directions in a row in the shape of these directions."""
    shape = unit.shape[1:]
    return rank[:, : shape.numel()].unflatten(1, shape)


def unit_harmonics_slope(
    unit: Float[Tensor, "3 ..."], moved: Float[Tensor, "3 ..."]
) -> Float[Tensor, "15 ..."]:
    """Return how the 15 components of `unit_harmonics` change where the unit vector moves."""
    to_two, to_three = (matrix.to(unit.device) for matrix in _PRODUCTS[unit.dtype])
    flat, change = unit.flatten(1), moved.flatten(1)
    second = to_two @ outer(flat, flat)
    moved_second = to_two @ (outer(change, flat) + outer(flat, change))
    moved_third = to_three @ (outer(moved_second, flat) + outer(second, change))
    return torch.cat([change, moved_second, moved_third]).unflatten(1, unit.shape[1:])


def outer(left: Float[Tensor, "a row"], right: Float[Tensor, "b row"]) -> Float[Tensor, "ab row"]:
    """Return all products of a component of `left` with one of `right`, for each row."""
    return (left.unsqueeze(1) * right.unsqueeze(0)).flatten(0, 1)


def rank_two_matrices() -> Float[Tensor, "5 3 3"]:
    """Return the five symmetric traceless M_c with Y_c(r̂) = r̂·M_c·r̂, in the order of `unit_harmonics`."""
    h = 0.5 * math.sqrt(3.0)
    matrices = torch.zeros(5, 3, 3, dtype=torch.float64)
    matrices[0, 0, 1] = matrices[0, 1, 0] = h
    matrices[1, 1, 2] = matrices[1, 2, 1] = h
    matrices[2] = torch.diag(torch.tensor([-0.5, -0.5, 1.0], dtype=torch.float64))
    matrices[3, 0, 2] = matrices[3, 2, 0] = h
    matrices[4] = torch.diag(torch.tensor([h, -h, 0.0], dtype=torch.float64))
    return matrices


def _product_matrices() -> tuple[Float[Tensor, "5 9"], Float[Tensor, "7 15"]]:
    """Return the maps from r̂ r̂ to rank 2, and from rank 2 times r̂ to rank 3, for unit vectors.

    The components of rank 3 are the seven standard cubic harmonics; each is a combination of rank-2
    components times x, y or z, found by matching cubic monomials.
    """
    two = rank_two_matrices()
    # Coefficients of the ten cubic monomials x^a y^b z^c in (rank 2 component) times (coordinate).
    monomials = [(a, b, 3 - a - b) for a in range(4) for b in range(4 - a)]
    products = torch.zeros(15, 10, dtype=torch.float64)
    for component in range(5):
        for x in range(3):
            for y in range(3):
                for z in range(3):
                    powers = tuple((x, y, z).count(axis) for axis in range(3))
                    products[3 * component + z, monomials.index(powers)] += two[component, x, y]
    s6, s10, s15 = math.sqrt(6.0), math.sqrt(10.0), math.sqrt(15.0)
    # z² = z² (x² + y² + z²) has been used to make each of them homogeneous.
    cubic = [
        {(2, 1, 0): 0.75 * s10, (0, 3, 0): -0.25 * s10},
        {(1, 1, 1): s15},
        {(2, 1, 0): -0.25 * s6, (0, 3, 0): -0.25 * s6, (0, 1, 2): s6},
        {(0, 0, 3): 1.0, (2, 0, 1): -1.5, (0, 2, 1): -1.5},
        {(3, 0, 0): -0.25 * s6, (1, 2, 0): -0.25 * s6, (1, 0, 2): s6},
        {(2, 0, 1): 0.5 * s15, (0, 2, 1): -0.5 * s15},
        {(3, 0, 0): 0.25 * s10, (1, 2, 0): -0.75 * s10},
    ]
    target = torch.zeros(7, 10, dtype=torch.float64)
    for row, terms in enumerate(cubic):
        for powers, value in terms.items():
            target[row, monomials.index(powers)] = value
    to_three = torch.linalg.lstsq(products.T, target.T, driver="gelsd").solution
    return two.reshape(5, 9).contiguous(), to_three.T.contiguous()


_PRODUCTS = {
    dtype: tuple(matrix.to(dtype) for matrix in _product_matrices())
    for dtype in (torch.float32, torch.float64)
}
