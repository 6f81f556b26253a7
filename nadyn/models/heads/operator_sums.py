"""An operator in the latent basis as a linear map of atom sums: of each pair of basis functions a Cartesian
tensor, which turns with the molecule and with both functions."""

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


class OperatorSums(nn.Module):
    """Networks give coefficients, sums of unit vectors give directions, a constant map puts both in place."""

    def __init__(self, basis: Basis, network: AtomicNetwork, *, rank: int, n_more: int = 0):
        """Take the latent basis, the network that reads the features for W, and the shape of the operator.

        Args:
            basis: Latent basis.
            network: Gives the encoder's sizes, elements and layers; only the features are shared.
            rank: Indices of the operator: 1 a polar vector, 2 a symmetric tensor.
            n_more: Further outputs of each atom.
        """
        super().__init__()
        self.shape = (basis.size, basis.size, *(3,) * rank)
        self.elements = network.elements
        self.counts, assembly = _assembly(basis, rank)
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


def _assembly(basis: Basis, rank: int) -> tuple[dict[str, int], Float[Tensor, "component entry"]]:
    """Return how many sums of each kind there are, and the map from their components to the operator."""
    functions = basis_functions(basis)
    found: dict[str, list[Tensor]] = {kind: [] for kind in COMPONENTS}
    for a, (first, row_a) in enumerate(functions):
        for b in range(a, len(functions)):
            second, row_b = functions[b]
            for kind, blocks in found.items():
                for block in couplings(first, second, rank=rank, kind=kind, same=a == b):
                    whole = torch.zeros(len(block), basis.size, basis.size, *(3,) * rank, dtype=torch.float64)
                    rows = slice(row_a, row_a + block.shape[1])
                    columns = slice(row_b, row_b + block.shape[2])
                    whole[:, rows, columns] = block
                    whole[:, columns, rows] = block.transpose(1, 2)
                    blocks.append(whole.flatten(1))
    counts = {kind: len(blocks) for kind, blocks in found.items()}
    return counts, torch.cat([block for blocks in found.values() for block in blocks])
