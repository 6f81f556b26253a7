"""Products of density moments to invariants, with derivatives and the derivative of derivatives.

Moments A have 15 components of ranks 1 to 3 and a few channels. Of equal rank they give A_lᵀ A_l, and with
the squares q(v) of vectors and q(T) of tensors, which are tensors again, q(v)ᵀ T and q(T)ᵀ T: see
`nadyn.models.encoders.density_moments`. All are polynomials. What is heard from neighbours has 8 components
of ranks 1 and 2, and of the squares only q(v): see `nadyn.models.encoders.equivariant`.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nadyn.models.encoders.angular import rank_two_matrices

RANKS = (slice(0, 3), slice(3, 8), slice(8, 15))
_VECTORS, _TENSORS = RANKS[:2]


@dataclass(frozen=True)
class Products:
    """Constant tables for so many channels.

    Attributes:
        ranks: Of which there are moments.
        upper: Distinct elements of a flattened Gram matrix.
        full: For each element of a flattened matrix, which of the distinct ones it is.
        twice: 2 on the diagonal and 1 beside it: Ḡ + Ḡᵀ from distinct elements.
        vector_square, tensor_square: q as a matrix from products of components; None where it is not used.
        vector_slope, tensor_slope: From (cotangent of q) × (component) to the derivative of q.
    """

    n_channels: int
    ranks: tuple[slice, ...]
    upper: Int[Tensor, "distinct"]
    full: Int[Tensor, "element"]
    twice: Float[Tensor, "element"]
    vector_square: Float[Tensor, "5 9"]
    tensor_square: Float[Tensor, "5 25"] | None
    vector_slope: Float[Tensor, "3 15"]
    tensor_slope: Float[Tensor, "5 25"] | None


@lru_cache(maxsize=8)
def products(n_channels: int, dtype: torch.dtype, device: torch.device, *, heard: bool = False) -> Products:
    """Return the tables in a precision and on a device, for moments or for what is heard."""
    like = torch.zeros((), dtype=dtype, device=device)
    rows, columns = torch.triu_indices(n_channels, n_channels, device=device)
    full = torch.zeros(n_channels, n_channels, dtype=torch.long, device=device)
    full[rows, columns] = full[columns, rows] = torch.arange(len(rows), device=like.device)
    matrices = rank_two_matrices()
    squares = torch.einsum("cxy,dyz,ezx->ecd", matrices, matrices, matrices)

    def table(three: Tensor) -> tuple[Tensor, Tensor]:
        # q_c = Σ three_cxy a_x a_y is symmetric in x and y, so its derivative in a_x is 2 Σ three_cxy a_y.
        slope = 2.0 * three.permute(1, 0, 2).flatten(1)
        return three.flatten(1).to(like), slope.to(like)

    vector, tensor = table(matrices), table(squares)
    twice = torch.ones_like(full) + torch.eye(n_channels, dtype=torch.long, device=device)
    return Products(
        n_channels,
        RANKS[:2] if heard else RANKS,
        rows * n_channels + columns,
        full.flatten(),
        twice.flatten().to(like),
        vector[0],
        None if heard else tensor[0],
        vector[1],
        None if heard else tensor[1],
    )


def invariants(
    tables: Products, moments: Float[Tensor, "row component channel"], scalars: Float[Tensor, "row scalar"]
) -> Float[Tensor, "row feature"]:
    """Return the descriptors in the order of `DensityMoments`."""
    two_three = [_distinct(tables, moments[:, rank].mT @ moments[:, rank]) for rank in tables.ranks]
    squares = _squares(tables, moments, moments)
    four = (squares.mT @ moments[:, _TENSORS]).flatten(1)
    return torch.cat([scalars, *two_three, four], dim=1)


def pull_back(
    tables: Products,
    moments: Float[Tensor, "row component channel"],
    cotangents: Float[Tensor, "row feature"],
) -> Float[Tensor, "row component channel"]:
    """Return the cotangents of the moments."""
    symmetric, four = _cotangents(tables, cotangents)
    parts = [moments[:, rank] @ own for rank, own in zip(tables.ranks, symmetric, strict=True)]
    tensors = moments[:, _TENSORS]
    of_squares = tensors @ four.mT
    parts[0] += _of_squares(tables.vector_slope, _left(of_squares, tables), moments[:, _VECTORS])
    if tables.tensor_slope is not None:
        parts[1] += _of_squares(tables.tensor_slope, _right(of_squares, tables), tensors)
    parts[1] += _squares(tables, moments, moments) @ four
    return torch.cat(parts, dim=1)


def push_forward(
    tables: Products,
    moments: Float[Tensor, "row component channel"],
    moved: Float[Tensor, "row component channel"],
    scalars: Float[Tensor, "row scalar"],
    cotangents: Float[Tensor, "row feature"],
) -> tuple[Float[Tensor, "row feature"], Float[Tensor, "row component channel"]]:
    """Return the tangents of the descriptors, and how `pull_back` changes along those of the moments.

    Args:
        tables: The tables.
        moments: Where they are.
        moved: Their tangents.
        scalars: Tangents of the first descriptors, which are no products.
        cotangents: Those of `pull_back`; they are held.
    """
    two_three = []
    for rank in tables.ranks:
        half = moments[:, rank].mT @ moved[:, rank]
        two_three.append(_distinct(tables, half + half.mT))
    squares, moved_squares = _squares(tables, moments, moments), _squares(tables, moments, moved).mul_(2.0)
    four = moved_squares.mT @ moments[:, _TENSORS] + squares.mT @ moved[:, _TENSORS]
    result = torch.cat([scalars, *two_three, four.flatten(1)], dim=1)
    return result, _bend(tables, moments, moved, moved_squares, cotangents)


def _bend(
    tables: Products, moments: Tensor, moved: Tensor, moved_squares: Tensor, cotangents: Tensor
) -> Float[Tensor, "row component channel"]:
    symmetric, four = _cotangents(tables, cotangents)
    parts = [moved[:, rank] @ own for rank, own in zip(tables.ranks, symmetric, strict=True)]
    of_squares, change = moments[:, _TENSORS] @ four.mT, moved[:, _TENSORS] @ four.mT
    for part, rank, slope, half in (
        (parts[0], _VECTORS, tables.vector_slope, _left),
        (parts[1], _TENSORS, tables.tensor_slope, _right),
    ):
        if slope is None:
            continue
        part += _of_squares(slope, half(change, tables), moments[:, rank])
        part += _of_squares(slope, half(of_squares, tables), moved[:, rank])
    parts[1] += moved_squares @ four
    return torch.cat(parts, dim=1)


def _distinct(tables: Products, grams: Float[Tensor, "row channel channel"]) -> Float[Tensor, "row distinct"]:
    return grams.flatten(1).index_select(1, tables.upper)


def _squares(tables: Products, left: Tensor, right: Tensor) -> Float[Tensor, "row 5 both"]:
    """Return the bilinear forms whose diagonal are q(v) and q(T), side by side."""
    of_vectors = tables.vector_square @ _outer(left[:, _VECTORS], right[:, _VECTORS])
    if tables.tensor_square is None:
        return of_vectors
    of_tensors = tables.tensor_square @ _outer(left[:, _TENSORS], right[:, _TENSORS])
    return torch.cat([of_vectors, of_tensors], dim=2)


def _of_squares(slope: Tensor, cotangents: Tensor, own: Tensor) -> Tensor:
    return slope @ _outer(cotangents, own)


def _outer(left: Float[Tensor, "row a channel"], right: Float[Tensor, "row b channel"]) -> Tensor:
    return (left.unsqueeze(2) * right.unsqueeze(1)).flatten(1, 2)


def _cotangents(tables: Products, cotangents: Tensor) -> tuple[list[Tensor], Tensor]:
    """Return Ḡ + Ḡᵀ of each rank, and those of the four-body products with the squares as rows."""
    n, n_distinct, n_ranks = tables.n_channels, len(tables.upper), len(tables.ranks)
    n_squares = n if tables.tensor_square is None else 2 * n
    n_scalars = cotangents.shape[1] - n_ranks * n_distinct - n_squares * n
    _, *grams, four = cotangents.split([n_scalars, *[n_distinct] * n_ranks, n_squares * n], dim=1)
    full = [(own.index_select(1, tables.full) * tables.twice).unflatten(1, (n, n)) for own in grams]
    return full, four.unflatten(1, (n_squares, n))


def _left(both: Tensor, tables: Products) -> Tensor:
    return both[:, :, : tables.n_channels]


def _right(both: Tensor, tables: Products) -> Tensor:
    return both[:, :, tables.n_channels :]
