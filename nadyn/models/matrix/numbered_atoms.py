"""A matrix from all distances of a molecule with numbered atoms, whose rows change sign under exchanges.

Sums over atoms cannot change sign where like atoms change places. A network N that reads the distance of
every pair of atoms knows which atom is which; the mean over all products g of exchanges

    M(R) = 1/|G| Σ_g D_g N(g R) D_g

with the diagonal signs D_g then has the symmetry M(gR) = D_g M(R) D_g.
"""

from itertools import combinations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from nadyn.checks.errors import InputError
from nadyn.models.atomic_network import AtomicNetwork
from nadyn.models.encoders.radial import polynomial_cutoff
from nadyn.models.matrix.basis import Basis
from nadyn.models.matrix.exchange_group import exchange_group
from nadyn.models.networks import ElementNetworks
from nadyn.models.surroundings import Surroundings

HIDDEN = (256, 128)
# Decay lengths of exp(-r/λ), in cutoffs.
_DECAYS = (0.06, 0.09, 0.13, 0.19, 0.28, 0.42, 0.7)


class NumberedAtoms(nn.Module):
    """A network of the distances of all pairs of atoms, made symmetric under exchanges."""

    def __init__(self, basis: Basis, numbers: tuple[int, ...], *, cutoff: float, activation: str):
        """Take the latent basis, the atomic numbers in ascending order, and the cutoff [bohr]."""
        super().__init__()
        self.size, self.cutoff = basis.size, cutoff
        self.pairs = tuple(combinations(range(len(numbers)), 2))
        group = exchange_group(basis, numbers)
        places = np.zeros((len(numbers), len(numbers)), dtype=np.int64)
        for number, (one, two) in enumerate(self.pairs):
            places[one, two] = places[two, one] = number
        first, second = np.array(self.pairs).T
        orders = places[group.orders[:, first], group.orders[:, second]]
        rows, columns = np.triu_indices(self.size)
        self.register_buffer("orders", torch.from_numpy(orders).contiguous(), persistent=False)
        self.register_buffer("back", self.orders.argsort(dim=1).contiguous(), persistent=False)
        signs = torch.from_numpy(group.signs[:, rows, columns]).contiguous()
        self.register_buffer("signs", signs / len(signs), persistent=False)
        elements = np.zeros((self.size, self.size), dtype=np.int64)
        elements[rows, columns] = elements[columns, rows] = np.arange(len(rows))
        self.register_buffer("elements", torch.from_numpy(elements.ravel()), persistent=False)
        self.n_inputs = len(self.pairs) * len(_DECAYS)
        # The layers of one element, which here is the molecule.
        self.network = ElementNetworks((0,), self.n_inputs, HIDDEN, len(rows), activation)

    def forward(self, surroundings: Surroundings) -> Float[Tensor, "structure basis basis"]:
        """Return M in units of the energy scale, float64."""
        functions = pair_functions(self.distances(surroundings), self.cutoff)
        rows = self.rows(functions).flatten(0, 1)
        outputs = self.network(rows.unsqueeze(0), ((0, slice(0, 1)),))[0]
        return self.matrix(outputs.unflatten(0, (-1, len(self.orders))))

    def distances(self, surroundings: Surroundings) -> Float[Tensor, "structure pair"]:
        """Return the distances of all pairs of atoms, which all have to see each other.

        Raises:
            InputError: Each atom has a list of neighbours, or structures are joined.
        """
        if surroundings.neighbours is not None or surroundings.structure is not None:
            raise InputError(
                "a model whose rows change sign under exchanges must be evaluated for frames of its molecule "
                "alone, but was asked for structures with lists of neighbours."
            )
        first, second = zip(*self.pairs, strict=True)
        return surroundings.distances[list(first), :, list(second)].T

    def rows(self, functions: Float[Tensor, "*rest pair function"]) -> Float[Tensor, "*rest product input"]:
        """Return what the network reads, once for each product of exchanges."""
        return functions[..., self.orders, :].flatten(-2)

    def functions(self, rows: Float[Tensor, "*rest product input"]) -> Float[Tensor, "*rest pair function"]:
        """Return the sums over products of cotangents of `rows`: those of the functions of pairs."""
        own = rows.unflatten(-1, (len(self.pairs), -1))
        index = self.back.unsqueeze(-1).expand(own.shape)
        return own.gather(-2, index).sum(dim=-3)

    def matrix(self, outputs: Float[Tensor, "*rest product element"]) -> Float[Tensor, "*rest basis basis"]:
        """Return the mean over products, with signs, as a symmetric matrix."""
        mean = (outputs.to(torch.float64) * self.signs).sum(dim=-2)
        return mean[..., self.elements].unflatten(-1, (self.size, self.size))

    def outputs(self, matrices: Float[Tensor, "*rest basis basis"]) -> Float[Tensor, "*rest product element"]:
        """Return cotangents of the outputs for those of `matrix`."""
        flat = matrices.flatten(-2)
        own = flat.new_zeros((*flat.shape[:-1], self.signs.shape[1])).index_add(-1, self.elements, flat)
        return own.unsqueeze(-2) * self.signs

    @torch.no_grad()
    def standardise(self, frames: list[Surroundings]) -> None:
        """Set the mean and the spread of what the network reads, over frames and exchanges."""
        rows = torch.cat(
            [self.rows(pair_functions(self.distances(one), self.cutoff)).flatten(0, 1) for one in frames]
        ).to(torch.float64)
        self.network.standardise(rows.mean(dim=0)[None], rows.std(dim=0, unbiased=False)[None])


def numbered_atoms_of(
    basis: Basis, numbers: tuple[int, ...] | None, network: AtomicNetwork
) -> NumberedAtoms | None:
    """Return the matrix of a basis with rows that change sign, beside a network of atoms; else None.

    Raises:
        InputError: The molecule is not known, or the exchanges are none of it.
    """
    if not basis.odd:
        return None
    if numbers is None:
        raise InputError(
            "`basis` must be of rows that keep their sign where the molecule is not known, but is "
            f"{str(basis)!r}."
        )
    return NumberedAtoms(basis, numbers, cutoff=network.cutoff, activation=network.settings.activation)


def pair_functions(
    distances: Float[Tensor, "*rest pair"], cutoff: float
) -> Float[Tensor, "*rest pair function"]:
    """Return exponentials of distances [bohr], which end smoothly at the cutoff."""
    decays = distances.new_tensor([1.0 / (cutoff * own) for own in _DECAYS])
    end = polynomial_cutoff(distances / cutoff)
    return torch.exp(-distances.unsqueeze(-1) * decays) * end.unsqueeze(-1)


def pair_slopes(
    distances: Float[Tensor, "*rest pair"], cutoff: float
) -> Float[Tensor, "*rest pair function"]:
    """Return the derivatives of `pair_functions`."""
    decays = distances.new_tensor([1.0 / (cutoff * own) for own in _DECAYS])
    x = (distances / cutoff).clamp(max=1.0)
    end_slope = -30.0 * (x * (1.0 - x)) ** 2 / cutoff
    bare = torch.exp(-distances.unsqueeze(-1) * decays)
    return bare * (end_slope.unsqueeze(-1) - decays * polynomial_cutoff(x).unsqueeze(-1))
