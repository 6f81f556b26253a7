"""Clebsch-Gordan products of what is heard, written out: only those numbers of the map that are not zero.

Sums P are numbered (direction, told, channel), with nine components each of the direction and of what is
told; products, for each rank, (path, channel, component).
"""

from dataclasses import dataclass
from functools import lru_cache

from nadyn.models.encoders.equivariant import PATHS, clebsch_gordan_map
from nadyn.models.kernels.language import Array, Code, Value

N_TOLD = 9
# For each rank the number of paths.
N_PATHS = tuple(len(paths) for paths in PATHS.values())
N_PRODUCTS = sum((2 * rank + 1) * n for rank, n in enumerate(N_PATHS))
# Components of vectors and tensors of what is heard, and where each rank begins among them.
N_DIRECTED = 8
FIRST_OF_RANK = {1: 0, 2: 3}


@dataclass(frozen=True)
class Term:
    """One number of the map."""

    rank: int
    path: int
    component: int
    place: int
    factor: float


@lru_cache
def terms() -> tuple[Term, ...]:
    """Return all numbers that are not zero; `place` is 9 direction + told."""
    found, row = [], 0
    table = clebsch_gordan_map()
    for rank, n_paths in enumerate(N_PATHS):
        for path in range(n_paths):
            for component in range(2 * rank + 1):
                for place, factor in enumerate(table[row].tolist()):
                    if abs(factor) > 1e-12:
                        found.append(Term(rank, path, component, place, factor))
                row += 1
    return tuple(found)


def start_of_rank(rank: int, n_channels: int) -> int:
    """Return where the products of a rank begin."""
    return n_channels * sum((2 * lower + 1) * N_PATHS[lower] for lower in range(rank))


def write_products(code: Code, sums: Array, products: Array, n_channels: int) -> None:
    """Set the products of all channels."""
    with code.loop(n_channels) as c:
        for rank, n_paths in enumerate(N_PATHS):
            for path in range(n_paths):
                for component in range(2 * rank + 1):
                    total = code.lanes(0.0)
                    for term in terms():
                        if (term.rank, term.path, term.component) == (rank, path, component):
                            total = code.fma(sums[c + term.place * n_channels], term.factor, total)
                    products[_place(c, rank, path, component, n_channels)] = total


def write_products_back(code: Code, dproducts: Array, dsums: Array, n_channels: int) -> None:
    """Set the derivatives in the sums from those in the products."""
    with code.loop(n_channels) as c:
        for place in range(N_TOLD**2):
            total = code.lanes(0.0)
            for term in terms():
                if term.place == place:
                    given = dproducts[_place(c, term.rank, term.path, term.component, n_channels)]
                    total = code.fma(given, term.factor, total)
            dsums[c + place * n_channels] = total


def _place(c: Value, rank: int, path: int, component: int, n_channels: int) -> Value:
    width = 2 * rank + 1
    return c * width + (start_of_rank(rank, n_channels) + path * n_channels * width + component)
