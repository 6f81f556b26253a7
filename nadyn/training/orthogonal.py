"""Matrices made orthogonal, as Muon moves them: by products alone."""

from collections import defaultdict
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.training.products.compiled import ITERATIONS, QUINTIC, compiled
from nadyn.training.products.product import is_served
from nadyn.training.second_order.machine_code import REALS

# Rows that are so many times fewer than columns: 17 products of the rows are then less than the ten others.
_MUCH_SMALLER = 1.5


def orthogonal_each(matrices: list[Tensor], sizes: Sequence[float]) -> list[Tensor]:
    """Return `orthogonal` of each matrix times its size; those of one shape together where torch does it."""
    if matrices and is_served(matrices[0]):
        return [_by_machine_code(one, size) for one, size in zip(matrices, sizes, strict=True)]
    by_shape, found = defaultdict(list), {}
    for number, matrix in enumerate(matrices):
        by_shape[matrix.shape].append(number)
    for numbers in by_shape.values():
        alike = orthogonal(torch.stack([matrices[number] for number in numbers]))
        found |= dict(zip(numbers, alike.unbind(), strict=True))
    return [found[number] * size for number, size in enumerate(sizes)]


def orthogonal(matrices: Float[Tensor, "*which row column"]) -> Float[Tensor, "*which row column"]:
    """Return about U Vᵀ of each matrix U S Vᵀ; zero for a matrix of zeros.

    Singular values come out between 0.7 and 1.2 where they are not a hundred times smaller than the root of
    the sum of all squares; those become smaller too. A Newton-Schulz iteration: products alone. All that an
    iteration does is a function of X Xᵀ; where that is much smaller than X the iterations are made with it.
    """
    is_wide = matrices.shape[-2] <= matrices.shape[-1]
    wide = matrices if is_wide else matrices.mT
    # Scaled twice: squares of small numbers would vanish in single precision.
    x = wide / wide.abs().amax(dim=(-2, -1), keepdim=True).clamp(min=torch.finfo(wide.dtype).tiny)
    x = x / torch.linalg.matrix_norm(x, keepdim=True).clamp(min=1e-30)
    a, b, c = QUINTIC
    if _MUCH_SMALLER * x.shape[-2] < x.shape[-1]:
        x = _from_squares(x @ x.mT) @ x
    else:
        for _ in range(ITERATIONS):
            square = x @ x.mT
            x = a * x + (b * square + c * (square @ square)) @ x
    return x if is_wide else x.mT


def _from_squares(square: Float[Tensor, "*which row row"]) -> Float[Tensor, "*which row row"]:
    """Return the product of all iterations' factors a + b X Xᵀ + c (X Xᵀ)², which commute."""
    a, b, c = QUINTIC
    product = None
    for number in range(ITERATIONS):
        factor = b * square + c * (square @ square)
        factor.diagonal(dim1=-2, dim2=-1).add_(a)
        product = factor if product is None else factor @ product
        if number + 1 < ITERATIONS:
            square = factor @ square @ factor
    return product


def _by_machine_code(matrix: Float[Tensor, "row column"], size: float) -> Float[Tensor, "row column"]:
    """Return a matrix made orthogonal, times a size."""
    matrix, found = matrix.contiguous(), compiled(REALS[matrix.dtype])
    result = torch.empty_like(matrix)
    n_rows, n_columns = matrix.shape
    if not matrix.numel():
        return result
    is_wide = n_rows <= n_columns
    strides = (n_columns, 1) if is_wide else (1, n_columns)
    room = matrix.new_empty(found.scratch_of_orthogonal(n_rows, n_columns))
    pointers = [one.data_ptr() for one in (matrix, result, room)]
    sides = sorted((n_rows, n_columns))
    is_long = _MUCH_SMALLER * sides[0] < sides[1]
    function = found.orthogonal_by_squares if is_long else found.orthogonal
    function(*pointers, n_rows, n_columns, *sides, *strides, int(is_wide), size)
    return result
