"""The diabatic Hamiltonian: every element of W is a sum over atoms."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nadyn.checks.errors import InputError
from nadyn.models.atomic_network import AtomicNetwork, NetworkSettings
from nadyn.models.basis import parse_basis
from nadyn.models.environment import Environment
from nadyn.models.features import Features
from nadyn.models.reference_energies import ReferenceEnergies


@dataclass(frozen=True)
class DiabaticSettings:
    """Hyperparameters of `DiabaticHamiltonian`.

    Attributes:
        network: Encoder and layers.
        basis: Latent basis, for example "2x0e".
        n_states: Number of physical states, the lowest eigenvalues; at most the size of the basis.
    """

    network: NetworkSettings
    basis: str
    n_states: int


class DiabaticHamiltonian(nn.Module):
    """W_ab = δ_ab (Σ_i ε_{Z_i} + offset_a) + s Σ_i f_ab(descriptors of i), in the latent basis.

    The elements of W are extensive; the energies are so only where one fragment contributes a multiple of
    the unit matrix. Two chromophores far apart are outside this model.
    """

    def __init__(self, settings: DiabaticSettings):
        super().__init__()
        basis = parse_basis(settings.basis)
        if settings.n_states > basis.size:
            raise InputError(
                f"`basis` must have at least {settings.n_states} rows for {settings.n_states} states, but "
                f"{settings.basis!r} has {basis.size}. Try '{settings.n_states}x0e'."
            )
        self.settings = settings
        self.n_states = settings.n_states
        self.n_basis = basis.size
        upper = torch.triu_indices(self.n_basis, self.n_basis)
        self.register_buffer("rows", upper[0], persistent=False)
        self.register_buffer("columns", upper[1], persistent=False)
        self.network = AtomicNetwork(settings.network, upper.shape[1])
        self.reference = ReferenceEnergies(settings.network.encoder.elements, self.n_basis)

    def forward(self, environment: Environment) -> tuple[Float[Tensor, "traj basis basis"], Features]:
        """Return W [hartree] in float64 and the features of the atoms."""
        outputs, features = self.network(environment)
        # Sums over atoms in double precision: the total must not depend on the order of atoms by more than that.
        triangle = self.reference.scale * outputs.to(torch.float64).sum(dim=0)
        index = torch.zeros((self.n_basis, self.n_basis), dtype=torch.int64)
        index[self.rows, self.columns] = index[self.columns, self.rows] = torch.arange(len(self.rows))
        matrix = triangle[:, index.flatten()].reshape(-1, self.n_basis, self.n_basis)
        return matrix + torch.diag(self.reference(environment.atoms)), features
