"""The ground-state potential as a sum of atomic energies: a diabatic Hamiltonian of one row."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nadyn.checks.errors import InputError
from nadyn.models.atomic_network import AtomicNetwork, NetworkSettings
from nadyn.models.encoders.features import Features
from nadyn.models.environment import Environment
from nadyn.models.terms.reference_energies import ReferenceEnergies
from nadyn.models.terms.repulsion import Repulsion


@dataclass(frozen=True)
class AtomicSumSettings:
    """Hyperparameters of `AtomicSum`.

    Attributes:
        network: Encoder and layers.
        repulsion_ends: For each pair of elements the distance [bohr] below which the repulsion of Ziegler,
            Biersack and Littmark acts, or None for no repulsion; at most the cutoff of the encoder, beyond
            which an atom does not see others.
    """

    network: NetworkSettings
    repulsion_ends: tuple[tuple[float, ...], ...] | None = None


class AtomicSum(nn.Module):
    """E = Σ_i [ε_{Z_i} + s f_{Z_i}(descriptors of i)], plus a short-range repulsion if asked for.

    Energies of fragments beyond the cutoff of each other add.

    Source: J. Behler and M. Parrinello, Phys. Rev. Lett. 98, 146401 (2007).
    """

    n_states = 1
    n_basis = 1
    vector_rows = ()

    def __init__(self, settings: AtomicSumSettings):
        super().__init__()
        self.settings = settings
        elements = settings.network.encoder.elements
        self.network = AtomicNetwork(settings.network, 1)
        self.reference = ReferenceEnergies(elements, 1)
        ends = settings.repulsion_ends
        if ends is not None:
            _check_ends(ends, self.network.cutoff)
        self.repulsion = (
            None if ends is None else Repulsion(elements, torch.tensor(ends, dtype=torch.float64))
        )

    def forward(self, environment: Environment) -> tuple[Float[Tensor, "traj basis basis"], Features]:
        """Return the energy [hartree] as a 1×1 matrix in float64, and the features of the atoms."""
        outputs, features = self.network(environment)
        energy = self.reference.scale * outputs.to(torch.float64).sum(dim=(0, 2)) + self.reference(
            environment.atoms
        )
        if self.repulsion is not None:
            energy = energy + self.repulsion(environment)
        return energy[:, None, None], features

    def start_rows(self) -> tuple[int | None, ...]:
        """Return the state that each row of W starts from."""
        return (0,)

    def standardise(self, environments: list[Environment]) -> None:
        """Scale descriptors by the training set."""
        self.network.standardise(environments)


def _check_ends(ends: tuple[tuple[float, ...], ...], cutoff: float) -> None:
    longest = max(max(row) for row in ends)
    if longest > cutoff:
        raise InputError(
            f"`repulsion_ends` must not lie beyond the encoder's cutoff of {cutoff:.4g} bohr, but one is at "
            f"{longest:.4g} bohr. Use a longer cutoff."
        )
