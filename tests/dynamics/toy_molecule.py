"""A molecule with a formula: five atoms, any number of states, every law of a free molecule, for tests."""

from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import torch

from nadyn.models.contacts import Contacts
from nadyn.models.model import CARTESIAN_LAWS, Coordinates, Evaluation

N_ATOMS = 5


@dataclass(frozen=True)
class ToyMolecule:
    """Bonds whose equilibrium lengths differ between the diabatic states, coupled where atoms are close."""

    n_states: int = 4
    n_basis: int = 4
    novelty_beyond: float = torch.inf
    broken_beyond: float = torch.inf
    shortest_distances: Contacts | None = None

    name: ClassVar[str] = "toy"
    coordinates: ClassVar[Coordinates] = "cartesian"
    laws: ClassVar[frozenset[str]] = CARTESIAN_LAWS - {"permutation"}
    atomic_numbers: ClassVar[tuple[int, ...]] = (6, 8, 7, 1, 1)
    fixed_diabatic_basis: ClassVar[bool] = True
    block_width: ClassVar[int] = 16

    @property
    def masses(self) -> torch.Tensor:
        return torch.tensor([12.0, 16.0, 14.0, 1.0, 2.0], dtype=torch.float64, device="cpu") * 1800.0

    def evaluate(self, positions):
        i, j, lengths, coupling = _constants(self.n_basis)
        r = torch.linalg.norm(positions[:, i] - positions[:, j], dim=-1)
        offsets = 0.02 * torch.arange(self.n_basis, dtype=torch.float64, device=positions.device)
        diagonal = (0.02 * (r[:, None] - lengths) ** 2).sum(-1) + offsets
        close = torch.exp(-((r - 2.7) ** 2))
        elements = 0.003 * (coupling * close[:, None, None]).sum(-1)
        elements = 0.5 * (elements + elements.mT)
        far = r.detach().amax(1)
        broken = torch.where(far > self.broken_beyond, torch.nan, 0.0)
        hamiltonian = torch.diag_embed(diagonal) + elements + broken[:, None, None] * r.sum(1)[:, None, None]
        return Evaluation(hamiltonian, (far > self.novelty_beyond).double())


@cache
def _constants(n_basis):
    i, j = torch.triu_indices(N_ATOMS, N_ATOMS, offset=1)
    generator = torch.Generator().manual_seed(5)
    lengths = 2.5 + 0.5 * torch.rand(n_basis, len(i), dtype=torch.float64, generator=generator)
    return i, j, lengths, torch.randn(n_basis, n_basis, len(i), dtype=torch.float64, generator=generator)


def start(n_traj: int, *, seed: int = 3, momentum: float = 15.0):
    """Positions and momenta of a batch near the middle of the bonds, without net or angular momentum."""
    generator = torch.Generator().manual_seed(seed)
    shape = torch.tensor(
        [[0.0, 0, 0], [2.6, 0, 0], [0.9, 2.4, 0], [1.1, 0.9, 2.2], [1.3, 0.7, -2.1]], dtype=torch.float64
    )
    noise = torch.randn(n_traj, N_ATOMS, 3, dtype=torch.float64, generator=generator)
    momenta = momentum * torch.randn(n_traj, N_ATOMS, 3, dtype=torch.float64, generator=generator)
    return shape + 0.1 * noise, momenta
