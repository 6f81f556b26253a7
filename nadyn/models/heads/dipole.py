"""The dipole operator in the latent basis: charges that keep their sum, and atom sums of polar vectors."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nadyn.models.atomic_network import AtomicNetwork
from nadyn.models.encoders.features import Features
from nadyn.models.heads.operator_sums import OperatorSums, form_in
from nadyn.models.matrix.basis import Basis
from nadyn.models.surroundings import Surroundings


@dataclass(frozen=True)
class DipoleSettings:
    """Hyperparameters of `DipoleHead`.

    Attributes:
        charge: Total charge of each structure [e].
    """

    charge: int = 0


class DipoleHead(nn.Module):
    """μ_ab = δ_ab Σ_i q_i r_i + s M_ab [e bohr] about the origin of the coordinates.

    The charges q_i of the networks are shifted by one number a structure, so that their sum is the total
    charge: μ(R + t) = μ(R) + Q t 1. M are atom sums; between two basis functions they hold every polar vector
    that can be made from the invariants, vectors and tensors of one atom. What would need a third rank, the
    octupole-like part between two vectors, is left out.
    """

    rank = 1

    def __init__(self, settings: DipoleSettings, basis: Basis, network: AtomicNetwork):
        super().__init__()
        self.settings = settings
        self.sums = OperatorSums(form_in(basis, rank=1), network, n_more=1)
        self.register_buffer("unit", torch.eye(basis.size, dtype=torch.float64), persistent=False)
        self.register_buffer("scale", torch.ones((), dtype=torch.float64))

    def forward(
        self, features: Features, surroundings: Surroundings
    ) -> Float[Tensor, "structure basis basis 3"]:
        """Return μ [e bohr] in float64."""
        local, charges = self.sums(features, surroundings)
        of_charges = self._of_charges(charges[..., 0].to(torch.float64), surroundings)
        return self.scale * local + self.unit[:, :, None] * of_charges[:, None, None]

    def standardise(self, network: AtomicNetwork, frames: list[Surroundings]) -> None:
        """Scale what the head reads by its spread in these frames."""
        self.sums.standardise(network, frames)

    @torch.no_grad()
    def set_scale(self, labels: Float[Tensor, "label 3"]) -> None:
        """Set s from dipoles of the training set [e bohr]."""
        known = labels[~torch.isnan(labels).any(dim=1)]
        size = float(known.square().mean().sqrt()) if len(known) else 1.0
        self.scale.fill_(max(size, 1e-3))

    def _of_charges(
        self, charges: Float[Tensor, "atom traj"], surroundings: Surroundings
    ) -> Float[Tensor, "structure 3"]:
        """Return Σ_i q_i r_i, the charges shifted so that their sum is Q."""
        positions = surroundings.positions.to(torch.float64)
        one = torch.ones_like(charges)
        # A shift of all charges by one number adds a dipole along the middle of the atoms.
        sums = torch.cat([one.unsqueeze(-1), charges.unsqueeze(-1), positions], dim=-1)
        sums = surroundings.per_structure(torch.cat([sums, charges.unsqueeze(-1) * positions], dim=-1))
        count, total, places, moments = torch.split(sums, [1, 1, 3, 3], dim=-1)
        return moments + (self.settings.charge - total) * (places / count)
