"""From learned vectors and tensors of each atom to what W is made of, with both derivatives.

With the vectors p_a of an atom, a cyclic: axial vectors p_a × p_(a-1) and pseudoscalars
(p_a × p_(a-1))·p_(a-2), see `nadyn.models.matrix.equivariant_matrix`. Kinds that a basis does not use are
left out.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.models.matrix.equivariant_matrix import KINDS

Vectors = Float[Tensor, "row 3 direction"]
# The components of a vector, then those of a tensor.
Both = Float[Tensor, "row 8 direction"]
Sources = Float[Tensor, "row component direction"]


def widths(kinds: tuple[str, ...]) -> list[int]:
    """Return the number of components of each kind."""
    return [KINDS[kind] for kind in kinds]


def sources(kinds: tuple[str, ...], both: Both) -> Sources:
    """Return the components of all kinds, in their order."""
    vectors = both[:, :3]
    found = {"polar": vectors, "tensor": both[:, 3:]}
    if _has_products(kinds):
        found["axial"] = _cross(vectors, vectors.roll(1, dims=2))
        found["pseudoscalar"] = _dot(found["axial"], vectors.roll(2, dims=2))
    return _joined(found, kinds, both)


def push_forward(kinds: tuple[str, ...], both: Both, moved_both: Both) -> Sources:
    """Return the tangents of the components for tangents of vectors and tensors."""
    vectors, moved = both[:, :3], moved_both[:, :3]
    found = {"polar": moved, "tensor": moved_both[:, 3:]}
    if _has_products(kinds):
        one, moved_one, two, moved_two = _rolled(vectors, moved)
        found["axial"] = _cross(moved, one) + _cross(vectors, moved_one)
        found["pseudoscalar"] = _dot(found["axial"], two) + _dot(_cross(vectors, one), moved_two)
    return _joined(found, kinds, both)


def pull_back(kinds: tuple[str, ...], both: Both, cotangents: Sources) -> Both:
    """Return the cotangents of vectors and tensors."""
    parts = dict(zip(kinds, cotangents.split(widths(kinds), dim=1), strict=True))
    result = torch.zeros_like(both)
    for kind, rows in (("polar", slice(0, 3)), ("tensor", slice(3, 8))):
        if kind in parts:
            result[:, rows] = parts[kind]
    if _has_products(kinds):
        vectors = both[:, :3]
        zero = torch.zeros_like(vectors)
        one, two = vectors.roll(1, dims=2), vectors.roll(2, dims=2)
        scalar = parts.get("pseudoscalar", zero[:, :1])
        axial = parts.get("axial", zero) + scalar * two
        result[:, :3] += _spread(_cross(one, axial), _cross(axial, vectors), scalar * _cross(vectors, one))
    return result


def bend(kinds: tuple[str, ...], both: Both, moved_both: Both, cotangents: Sources) -> Vectors | None:
    """Return how the vectors of `pull_back` change along their tangents; None where they do not."""
    if not _has_products(kinds):
        return None
    vectors, moved = both[:, :3], moved_both[:, :3]
    parts = dict(zip(kinds, cotangents.split(widths(kinds), dim=1), strict=True))
    zero = torch.zeros_like(vectors)
    one, moved_one, two, moved_two = _rolled(vectors, moved)
    scalar = parts.get("pseudoscalar", zero[:, :1])
    axial, moved_axial = parts.get("axial", zero) + scalar * two, scalar * moved_two
    return _spread(
        _cross(moved_one, axial) + _cross(one, moved_axial),
        _cross(moved_axial, vectors) + _cross(axial, moved),
        scalar * (_cross(moved, one) + _cross(vectors, moved_one)),
    )


def _joined(found: dict[str, Tensor], kinds: tuple[str, ...], both: Both) -> Sources:
    return torch.cat([both[:, :0], *(found[kind] for kind in kinds)], dim=1)


def _has_products(kinds: tuple[str, ...]) -> bool:
    return "axial" in kinds or "pseudoscalar" in kinds


def _spread(own: Vectors, one: Vectors, two: Vectors) -> Vectors:
    """Return the sum of cotangents of the vectors and of those one and two places before."""
    return own + one.roll(-1, dims=2) + two.roll(-2, dims=2)


def _rolled(vectors: Vectors, moved: Vectors) -> tuple[Vectors, Vectors, Vectors, Vectors]:
    return tuple(array.roll(by, dims=2) for by in (1, 2) for array in (vectors, moved))


def _cross(left: Vectors, right: Vectors) -> Vectors:
    return torch.linalg.cross(left, right, dim=1)


def _dot(left: Vectors, right: Vectors) -> Float[Tensor, "row 1 direction"]:
    return (left * right).sum(dim=1, keepdim=True)
