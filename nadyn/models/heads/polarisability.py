"""The polarisability in the latent basis: a number an element, and atom sums of symmetric tensors."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from nadyn.models.atomic_network import AtomicNetwork
from nadyn.models.encoders.features import Features
from nadyn.models.heads.operator_sums import OperatorSums, form_in
from nadyn.models.matrix.basis import Basis
from nadyn.models.surroundings import Surroundings


@dataclass(frozen=True)
class PolarisabilitySettings:
    """Hyperparameters of `PolarisabilityHead`: it has none."""


class PolarisabilityHead(nn.Module):
    """α_ab = δ_ab Σ_i a_{Z_i} 1 + s M_ab [bohr³], symmetric in its Cartesian indices.

    The polarisability of a state is α_kk = u_k · α · u_k. M are atom sums: every symmetric tensor that can be
    made from the invariants, vectors and tensors of one atom.
    """

    rank = 2

    def __init__(self, settings: PolarisabilitySettings, basis: Basis, network: AtomicNetwork):
        super().__init__()
        self.settings = settings
        self.sums = OperatorSums(form_in(basis, rank=2), network)
        unit = torch.eye(basis.size, dtype=torch.float64)[:, :, None, None] * torch.eye(
            3, dtype=torch.float64
        )
        self.register_buffer("unit", unit, persistent=False)
        self.register_buffer("per_element", torch.zeros(len(network.elements), dtype=torch.float64))
        self.register_buffer("scale", torch.ones((), dtype=torch.float64))

    def forward(
        self, features: Features, surroundings: Surroundings
    ) -> Float[Tensor, "structure basis basis 3 3"]:
        """Return α [bohr³] in float64."""
        local, _ = self.sums(features, surroundings)
        mean = surroundings.composition(self.sums.elements) @ self.per_element
        return self.scale * local + self.unit * mean[:, None, None, None, None]

    def standardise(self, network: AtomicNetwork, frames: list[Surroundings]) -> None:
        """Scale what the head reads by its spread in these frames."""
        self.sums.standardise(network, frames)

    @torch.no_grad()
    def set_scale(
        self, labels: Float[Tensor, "frame state 3 3"], compositions: Int[Tensor, "frame element"]
    ) -> None:
        """Set a number an element by least squares, and s from what is left.

        Args:
            labels: Polarisabilities of the training set [bohr³], NaN where one is missing.
            compositions: Number of atoms of each element.
        """
        means = labels.diagonal(dim1=2, dim2=3).mean(-1)
        frame, state = torch.nonzero(~torch.isnan(means), as_tuple=True)
        if not len(frame):
            return
        counts, values = compositions[frame].to(torch.float64), means[frame, state]
        self.per_element.copy_(torch.linalg.lstsq(counts, values[:, None], driver="gelsd").solution[:, 0])
        isotropic = (counts @ self.per_element)[:, None, None] * torch.eye(3, dtype=torch.float64)
        rest = labels[frame, state] - isotropic
        self.scale.fill_(max(float(rest.square().mean().sqrt()), 1e-3))
