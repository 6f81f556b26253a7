"""States coupled by constants, on an oscillator that is the same in all of them: exact for many methods."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from nadyn.models.model import Coordinates, Evaluation


@dataclass(frozen=True)
class ConstantCoupling:
    """W = constant matrix + k Q^2 / 2 in two coordinates: electrons do not feel the nuclei, nor they them."""

    matrix: torch.Tensor

    name: ClassVar[str] = "constant"
    coordinates: ClassVar[Coordinates] = "generalised"
    laws: ClassVar[frozenset[str]] = frozenset()
    atomic_numbers: ClassVar[None] = None
    fixed_diabatic_basis: ClassVar[bool] = True
    block_width: ClassVar[int] = 64
    shortest_distances: ClassVar[None] = None

    @property
    def n_states(self) -> int:
        return len(self.matrix)

    @property
    def n_basis(self) -> int:
        return len(self.matrix)

    @property
    def masses(self) -> torch.Tensor:
        return torch.tensor([2000.0, 3000.0], dtype=torch.float64)

    def evaluate(self, positions):
        well = 0.01 * (positions * positions)[:, :, 0].sum(1)
        identity = torch.eye(self.n_states, dtype=torch.float64)
        return Evaluation(self.matrix + well[:, None, None] * identity, torch.zeros_like(well))

    def exact(self, start: int, time: float) -> torch.Tensor:
        """Populations of the diabatic states."""
        energies, vectors = torch.linalg.eigh(self.matrix)
        phases = torch.exp(-1j * energies * time)
        return ((vectors * phases) @ vectors[start].to(phases.dtype)).abs() ** 2


def coupled(n_states: int) -> ConstantCoupling:
    generator = torch.Generator().manual_seed(9)
    matrix = 0.01 * torch.randn(n_states, n_states, dtype=torch.float64, generator=generator)
    return ConstantCoupling(matrix + matrix.mT)


def start(n_traj: int):
    generator = torch.Generator().manual_seed(3)
    return (torch.randn(n_traj, 2, 1, dtype=torch.float64, generator=generator) for _ in range(2))
