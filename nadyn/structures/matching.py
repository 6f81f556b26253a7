"""Geometries laid on each other: moved, turned, mirrored, and with like atoms exchanged."""

import math
from dataclasses import dataclass
from itertools import permutations, product

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment

# Up to this many orders of like atoms are all tried: C2H4 has 48, NH3 6; C4H2F6 has 34,560.
_MOST_ORDERS = 5040
# Up to so many, all pairs of geometries at a time are faster.
_MOST_ORDERS_TOGETHER = 240
_MOST_ROUNDS = 20


@dataclass(frozen=True, eq=False)
class Match:
    """How alike two geometries are.

    Attributes:
        rmsd: Root mean square distance of atoms after the second was laid on the first, in their unit.
        order: Which atom of the second lies on each atom of the first.
        is_complete: Whether all orders of like atoms were tried; else a better one may exist.
    """

    rmsd: float
    order: Int[np.ndarray, "atom"]
    is_complete: bool


def match(
    first: Float[np.ndarray, "atom 3"],
    second: Float[np.ndarray, "atom 3"],
    atomic_numbers: tuple[int, ...] | Int[np.ndarray, "atom"],
    *,
    like_atoms_alike: bool = True,
) -> Match:
    """Return the smallest RMSD of two geometries over motions, mirror images and orders of like atoms.

    All orders are tried where there are few. Of more, those are tried that assign each atom to the nearest
    one of its element after an alignment, until nothing changes, from every setting of the principal axes.

    Args:
        first: One geometry.
        second: The other.
        atomic_numbers: One number an atom.
        like_atoms_alike: Whether atoms of one element may be exchanged.
    """
    numbers = np.asarray(atomic_numbers)
    a, b = first - first.mean(axis=0), second - second.mean(axis=0)
    groups = [np.flatnonzero(numbers == number) for number in np.unique(numbers)]
    if not like_atoms_alike:
        return Match(*_best(a, b, np.arange(len(numbers))[None]), True)
    if n_orders(numbers) <= _MOST_ORDERS:
        return Match(*_best(a, b, _all_orders(groups, len(numbers))), True)
    orders = [np.arange(len(numbers))]
    frame, other = _axes(a), _axes(b)
    for signs in product((1.0, -1.0), repeat=3):
        orders.append(_assigned(a, b @ (other * np.array(signs)) @ frame.T, groups))
    for _ in range(_MOST_ROUNDS):
        settled = [_assigned(a, b @ _rotation(b[order], a), groups) for order in orders]
        if all(np.array_equal(new, old) for new, old in zip(settled, orders, strict=True)):
            break
        orders = settled
    return Match(*_best(a, b, np.stack(orders)), False)


def rmsds(
    first: Float[np.ndarray, "pair atom 3"],
    second: Float[np.ndarray, "pair atom 3"],
    atomic_numbers: Int[np.ndarray, "atom"],
) -> Float[np.ndarray, "pair"]:
    """Return the RMSD of `match` for many pairs of geometries of one molecule.

    Where like atoms have few orders it is, squared and times the number of atoms, the least over them of
    |a|^2 + |b|^2 minus twice the sum of the singular values of b^T a.
    """
    numbers = np.asarray(atomic_numbers)
    if n_orders(numbers) > _MOST_ORDERS_TOGETHER:
        return np.array([match(a, b, numbers).rmsd for a, b in zip(first, second, strict=True)])
    a, b = (each - each.mean(axis=1, keepdims=True) for each in (first, second))
    overlap = np.zeros(len(a))
    for order in _all_orders(
        [np.flatnonzero(numbers == number) for number in np.unique(numbers)], len(numbers)
    ):
        covariance = np.einsum("pnx,pny->pxy", b[:, order], a)
        overlap = np.maximum(overlap, np.linalg.svd(covariance, compute_uv=False).sum(axis=1))
    squared = (a**2).sum(axis=(1, 2)) + (b**2).sum(axis=(1, 2)) - 2 * overlap
    # Rounding must not make it negative where both are the same.
    return np.sqrt(np.maximum(squared, 0.0) / len(numbers))


def n_orders(atomic_numbers: Int[np.ndarray, "atom"]) -> int:
    """Return in how many orders like atoms can be."""
    return math.prod(math.factorial(int(n)) for n in np.unique(atomic_numbers, return_counts=True)[1])


def _best(a: np.ndarray, b: np.ndarray, orders: Int[np.ndarray, "order atom"]) -> tuple[float, np.ndarray]:
    """Return the smallest RMSD over orders and the order; mirror images are allowed."""
    covariances = np.einsum("onx,ny->oxy", b[orders], a)
    overlap = np.linalg.svd(covariances, compute_uv=False).sum(axis=1)
    best = int(np.argmax(overlap))
    order = orders[best]
    # Once more from the differences: the same geometry is at zero and not at the root of a rounding error.
    moved = b[order] @ _rotation(b[order], a)
    return float(np.sqrt(((moved - a) ** 2).sum() / len(a))), order


def _rotation(moving: np.ndarray, onto: np.ndarray) -> np.ndarray:
    """Return the rotation that lays one on the other, with a mirror where that is better."""
    left, _, right = np.linalg.svd(moving.T @ onto)
    return left @ right


def _axes(centred: np.ndarray) -> np.ndarray:
    return np.linalg.eigh(centred.T @ centred)[1]


def _all_orders(groups: list[np.ndarray], n_atoms: int) -> Int[np.ndarray, "order atom"]:
    orders = []
    for chosen in product(*(permutations(group) for group in groups)):
        order = np.empty(n_atoms, dtype=np.int64)
        for group, atoms in zip(groups, chosen, strict=True):
            order[group] = atoms
        orders.append(order)
    return np.stack(orders)


def _assigned(a: np.ndarray, b: np.ndarray, groups: list[np.ndarray]) -> np.ndarray:
    """Return for each atom of the first the one of the second, which has been laid on it."""
    order = np.empty(len(a), dtype=np.int64)
    for group in groups:
        far = ((a[group][:, None] - b[group][None]) ** 2).sum(axis=-1)
        rows, columns = linear_sum_assignment(far)
        order[group[rows]] = group[columns]
    return order
