"""Which tensors an atom sum can put between two basis functions: all isotropic couplings, in a fixed order.

An operator with one or two Cartesian indices, between basis functions of which each vector has an index too,
is a Cartesian tensor. What turns it like the molecule is a sum of products of δ_xy, of at most one ε_xyz
and of an atom sum; how many pseudo-quantities there are decides whether ε occurs.
"""

import itertools
from collections.abc import Iterator
from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.models.encoders.angular import rank_two_matrices

# kind of atom sum -> number of Cartesian indices, and whether it is a pseudo-quantity
_INDICES = {
    "invariant": (0, False),
    "pseudoscalar": (0, True),
    "polar": (1, False),
    "axial": (1, True),
    "tensor": (2, False),
    "pseudotensor": (2, True),
}
_PSEUDO = {"0e": False, "0o": True, "1o": False, "1e": True}
_LETTERS = "uvwxyzpq"
# Couplings that are shorter than this part of themselves beside the earlier ones are combinations of them.
_DEPENDENT = 1e-6


@cache
def couplings(
    first: str,
    second: str,
    *,
    rank: int,
    kind: str,
    same: bool,
    pseudo: bool = False,
    antisymmetric: bool = False,
) -> Float[Tensor, "coupling component row column *xyz"]:
    """Return all independent ways to put an atom sum of one kind between two basis functions.

    They are orthogonal, and each maps components of length 1 to blocks of length 1 in the mean.

    Args:
        first: Representation of the first function.
        second: That of the second.
        rank: Indices of the operator: 0 a scalar, 1 a polar vector, 2 a symmetric tensor.
        kind: Kind of atom sum, see `nadyn.models.matrix.directions`.
        same: Whether it is one function twice: then the block is symmetric.
        pseudo: Whether the operator is a pseudo-quantity: an axial vector with one index.
        antisymmetric: Whether the block of one function twice is antisymmetric instead.
    """
    n_own, own_pseudo = _INDICES[kind]
    rows = [int(name[0]) for name in (first, second)]
    n_target = sum(rows) + rank
    shape = [2 * number + 1 for number in rows] + [3] * rank
    n_components = {0: 1, 1: 3, 2: 5}[n_own]
    odd = (n_target + n_own) % 2 == 1
    empty = torch.zeros(0, n_components, *shape, dtype=torch.float64)
    if (_PSEUDO[first] + _PSEUDO[second] + own_pseudo + pseudo + odd) % 2:
        return empty
    kept: list[Tensor] = []
    for tensor in _isotropic(n_target + n_own):
        candidate = _of_components(tensor, n_own).reshape(n_components, *shape)
        if rank == 2:
            candidate = 0.5 * (candidate + candidate.mT)
        if same:
            turned = candidate.transpose(1, 2)
            candidate = 0.5 * (candidate - turned if antisymmetric else candidate + turned)
        length = candidate.norm()
        for other in kept:
            candidate = candidate - other * ((candidate * other).sum() / (other * other).sum())
        if length > 0 and candidate.norm() > _DEPENDENT * length:
            kept.append(candidate * (n_components**0.5 / candidate.norm()))
    return torch.stack(kept) if kept else empty


def _isotropic(n: int) -> Iterator[Tensor]:
    """Yield all products of δ, with one ε where the number of indices is odd, in a fixed order."""
    indices = tuple(range(n))
    if n % 2 == 0:
        for pairs in _pairings(indices):
            yield _product([], pairs, n)
        return
    for triple in itertools.combinations(indices, 3):
        for pairs in _pairings(tuple(index for index in indices if index not in triple)):
            yield _product([triple], pairs, n)


def _pairings(indices: tuple[int, ...]) -> Iterator[list[tuple[int, int]]]:
    if not indices:
        yield []
        return
    first, rest = indices[0], indices[1:]
    for partner in rest:
        for pairs in _pairings(tuple(index for index in rest if index != partner)):
            yield [(first, partner), *pairs]


def _product(triples: list[tuple[int, int, int]], pairs: list[tuple[int, int]], n: int) -> Tensor:
    if n == 0:
        return torch.ones((), dtype=torch.float64)
    identity = torch.eye(3, dtype=torch.float64)
    words = ["".join(_LETTERS[index] for index in group) for group in (*triples, *pairs)]
    factors = [levi_civita()] * len(triples) + [identity] * len(pairs)
    return torch.einsum(f"{','.join(words)}->{_LETTERS[:n]}", *factors)


def _of_components(tensor: Tensor, n_own: int) -> Tensor:
    """Return the tensor for each component of the atom sum, whose indices come last."""
    if n_own == 0:
        return tensor.unsqueeze(0)
    if n_own == 1:
        return tensor.movedim(-1, 0)
    return torch.einsum("...xy,cxy->c...", tensor, rank_two_matrices())


def levi_civita() -> Float[Tensor, "3 3 3"]:
    """Return ε_xyz."""
    result = torch.zeros(3, 3, 3, dtype=torch.float64)
    for x, y, z in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        result[x, y, z], result[x, z, y] = 1.0, -1.0
    return result
