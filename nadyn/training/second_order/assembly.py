"""The constant map from atom sums to W, for sums of all directional coefficients with all components.

Networks give for each atom some invariants, and for each directional sum coefficients of its directions. All
products of such a set with all components are summed over atoms; the map takes those that W is made of.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.models.matrix.basis import parse_basis
from nadyn.models.matrix.directions import N_DIRECTIONS
from nadyn.models.matrix.equivariant_matrix import KINDS, EquivariantMatrix


@dataclass(frozen=True)
class Assembly:
    """Shape of the sums, and the map.

    Attributes:
        kinds: Directional kinds that occur.
        n_invariants: Number of invariant sums.
        n_sets: Number of directional sums.
        n_components: Of all kinds together.
        matrix: From (invariants, set × component) to the symmetric elements of W.
    """

    kinds: tuple[str, ...]
    n_invariants: int
    n_sets: int
    n_components: int
    matrix: Float[Tensor, "sum element"]

    def coefficients(
        self, outputs: Float[Tensor, "row output"]
    ) -> tuple[Float[Tensor, "row invariant"], Float[Tensor, "row set direction"]]:
        """Return both kinds of outputs of the networks."""
        invariants, directional = outputs.split(
            [self.n_invariants, outputs.shape[1] - self.n_invariants], dim=1
        )
        return invariants, directional.unflatten(1, (self.n_sets, N_DIRECTIONS))

    def sums(
        self, invariants: Tensor, products: Float[Tensor, "row set component"]
    ) -> Float[Tensor, "row sum"]:
        """Return what is summed over atoms."""
        return torch.cat([invariants, products.flatten(1)], dim=1)

    def parts(
        self, cotangents: Float[Tensor, "row sum"]
    ) -> tuple[Tensor, Float[Tensor, "row set component"]]:
        """Return the two arguments of `sums` again."""
        invariants, products = cotangents.split([self.n_invariants, self.n_sets * self.n_components], dim=1)
        return invariants, products.unflatten(1, (self.n_sets, self.n_components))


@lru_cache(maxsize=8)
def assembly_of(basis: str, device: torch.device) -> Assembly:
    """Return the map of a latent basis."""
    matrix = EquivariantMatrix(parse_basis(basis), (), n_vectors=1, cutoff=1.0).to(device)
    counts, size = matrix.counts, matrix.size
    kinds = tuple(kind for kind in KINDS if kind != "invariant" and counts[kind])
    n_invariants, n_sets = counts["invariant"], sum(counts[kind] for kind in kinds)
    n_components = sum(KINDS[kind] for kind in kinds)
    # Rows of the map of the matrix: invariants first, then each kind with its sums and their components.
    given = matrix.assembly.unflatten(1, (size, size))
    result = given.new_zeros((n_invariants + n_sets * n_components, size, size))
    result[:n_invariants] = given[:n_invariants]
    row, number, column = n_invariants, 0, 0
    for kind in kinds:
        width = KINDS[kind]
        for _ in range(counts[kind]):
            first = n_invariants + number * n_components + column
            result[first : first + width] = given[row : row + width]
            row, number = row + width, number + 1
        column += width
    symmetric = 0.5 * (result + result.mT)
    return Assembly(kinds, n_invariants, n_sets, n_components, symmetric.flatten(1))
