"""An operator in the latent basis as a linear map of atom sums: of each pair of basis functions a Cartesian
tensor, which turns with the molecule and with both functions."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nadyn.models.atomic_network import AtomicNetwork
from nadyn.models.encoders.features import Features
from nadyn.models.heads.isotropic import couplings
from nadyn.models.matrix.basis import Basis, basis_functions
from nadyn.models.matrix.directions import (
    COMPONENTS,
    N_DIRECTIONS,
    mixed,
    set_scales,
    sources,
    summed,
)
from nadyn.models.shared_network import NETWORKS
from nadyn.models.surroundings import Surroundings


@dataclass(frozen=True)
class OperatorForm:
    """What an operator is, and between which basis functions.

    Attributes:
        functions: Representation and first row of each basis function.
        size: Number of rows.
        rank: Indices of the operator: 1 a vector, 2 a symmetric tensor.
        pseudo: Whether it is a pseudo-quantity: with one index an axial vector.
        antisymmetric: Whether exchange of the rows changes its sign, as in an imaginary Hermitian operator.
        apart: Pairs of functions, by their numbers, between which it is zero.
    """

    functions: tuple[tuple[str, int], ...]
    size: int
    rank: int
    pseudo: bool = False
    antisymmetric: bool = False
    apart: frozenset[tuple[int, int]] = frozenset()


def form_in(basis: Basis, *, rank: int) -> OperatorForm:
    """Return the form of a symmetric operator in a latent basis: 1 a polar vector, 2 a symmetric tensor."""
    return OperatorForm(tuple(basis_functions(basis)), basis.size, rank)


class OperatorSums(nn.Module):
    """Networks give coefficients, sums of unit vectors give directions, a constant map puts both in place."""

    def __init__(self, form: OperatorForm, network: AtomicNetwork, *, n_more: int = 0):
        """Take what the operator is and the network that reads the features for W.

        Args:
            form: The operator.
            network: Gives the encoder's sizes, elements and layers; only the features are shared.
            n_more: Further outputs of each atom.
        """
        super().__init__()
        self.shape = (form.size, form.size, *(3,) * form.rank)
        self.elements = network.elements
        self.counts, assembly = _assembly(form)
        self.register_buffer("assembly", assembly, persistent=False)
        n_vectors = network.encoder.n_vectors
        shape = (len(self.elements), n_vectors, N_DIRECTIONS)
        self.vector_mixing = nn.Parameter(torch.randn(shape) / n_vectors**0.5)
        self.tensor_mixing = nn.Parameter(torch.randn(shape) / n_vectors**0.5)
        self.register_buffer("vector_scale", torch.ones(len(self.elements), n_vectors))
        self.register_buffer("tensor_scale", torch.ones(len(self.elements), n_vectors))
        directional = sum(n for kind, n in self.counts.items() if kind != "invariant")
        self.sizes = (self.counts["invariant"], N_DIRECTIONS * directional, n_more)
        settings = network.settings
        self.networks = NETWORKS[settings.networks](
            self.elements,
            network.encoder.n_invariants,
            settings.hidden,
            sum(self.sizes),
            settings.activation,
        )

    def forward(
        self, features: Features, surroundings: Surroundings
    ) -> tuple[Float[Tensor, "structure basis basis *xyz"], Float[Tensor, "atom traj more"]]:
        """Return the operator in units of its scale, float64, and the further outputs of each atom."""
        outputs = self.networks(features.invariants, surroundings.atoms)
        invariant, directional, more = torch.split(outputs, self.sizes, dim=-1)
        atoms = surroundings.atoms
        polar = mixed(features.vectors, self.vector_mixing, self.vector_scale, self.elements, atoms)
        tensor = mixed(features.tensors, self.tensor_mixing, self.tensor_scale, self.elements, atoms)
        kinds = [kind for kind, n in self.counts.items() if n]
        parts = [surroundings.per_structure(invariant.to(torch.float64))]
        parts += summed(directional, sources(polar, tensor, kinds), self.counts, surroundings)
        blocks = torch.cat(parts, dim=1) @ self.assembly
        return blocks.reshape(-1, *self.shape), more

    @torch.no_grad()
    def standardise(self, network: AtomicNetwork, frames: list[Surroundings]) -> None:
        """Scale invariants as the network of W does, vectors and tensors by their spread in these frames."""
        self.networks.mean.copy_(network.networks.mean)
        self.networks.inverse_spread.copy_(network.networks.inverse_spread)
        set_scales(self.vector_scale, self.tensor_scale, self.elements, network.encoder, frames)


def _assembly(form: OperatorForm) -> tuple[dict[str, int], Float[Tensor, "component entry"]]:
    """Return how many sums of each kind there are, and the map from their components to the operator."""
    found: dict[str, list[Tensor]] = {kind: [] for kind in COMPONENTS}
    sign = -1.0 if form.antisymmetric else 1.0
    for a, (first, row_a) in enumerate(form.functions):
        for b in range(a, len(form.functions)):
            if (a, b) in form.apart:
                continue
            second, row_b = form.functions[b]
            for kind, blocks in found.items():
                for block in couplings(
                    first,
                    second,
                    rank=form.rank,
                    kind=kind,
                    same=a == b,
                    pseudo=form.pseudo,
                    antisymmetric=form.antisymmetric,
                ):
                    whole = torch.zeros(
                        len(block), form.size, form.size, *(3,) * form.rank, dtype=torch.float64
                    )
                    rows = slice(row_a, row_a + block.shape[1])
                    columns = slice(row_b, row_b + block.shape[2])
                    whole[:, rows, columns] = block
                    whole[:, columns, rows] = sign * block.transpose(1, 2)
                    blocks.append(whole.flatten(1))
    counts = {kind: len(blocks) for kind, blocks in found.items()}
    return counts, torch.cat([block for blocks in found.values() for block in blocks])
