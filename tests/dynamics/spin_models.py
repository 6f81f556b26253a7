"""Models with spin states and a formula, for tests."""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from toy_molecule import ToyMolecule

from nadyn.models.model import CARTESIAN_LAWS, Coordinates, Evaluation
from nadyn.models.spin_states import spin_states


def random_coupling(multiplicities, *, size, seed=8):
    """A Hermitian matrix between the spin states."""
    n = len(spin_states(multiplicities).row)
    generator = torch.Generator().manual_seed(seed)
    parts = torch.randn(2, n, n, dtype=torch.float64, generator=generator)
    matrix = torch.complex(*parts)
    return 0.5 * size * (matrix + matrix.mH)


@dataclass(frozen=True, eq=False)
class SpinMolecule:
    """Two singlets and two triplets of a free molecule, coupled by a random spin-orbit matrix."""

    multiplicities: tuple[int, ...] = (1, 1, 3, 3)
    spin_orbit: torch.Tensor | None = field(default_factory=lambda: random_coupling((1, 1, 3, 3), size=3e-3))
    dipoles: torch.Tensor | None = None

    name: ClassVar[str] = "spin-toy"
    coordinates: ClassVar[Coordinates] = "cartesian"
    laws: ClassVar[frozenset[str]] = CARTESIAN_LAWS - {"permutation"}
    atomic_numbers: ClassVar[tuple[int, ...]] = ToyMolecule.atomic_numbers
    fixed_diabatic_basis: ClassVar[bool] = True
    block_width: ClassVar[int] = 16
    shortest_distances: ClassVar[None] = None
    n_states: ClassVar[int] = 4
    n_basis: ClassVar[int] = 4
    masses: ClassVar[torch.Tensor] = ToyMolecule().masses

    def evaluate(self, positions):
        found = ToyMolecule().evaluate(positions)
        kind = torch.tensor(self.multiplicities, device="cpu")
        same = kind[:, None] == kind
        return Evaluation(torch.where(same, found.hamiltonian, 0.0), found.novelty)


@dataclass(frozen=True, eq=False)
class SpinCrossing:
    """Two states e_k + s_k x in one coordinate, and a constant coupling of their spins."""

    multiplicities: tuple[int, ...] = (1, 3)
    spin_orbit: torch.Tensor | None = field(default_factory=lambda: random_coupling((1, 3), size=5e-3))
    dipoles: torch.Tensor | None = None
    levels: tuple[float, float] = (0.0, 0.0)
    slopes: tuple[float, float] = (0.01, -0.01)
    coupling: float = 0.0

    name: ClassVar[str] = "spin-crossing"
    coordinates: ClassVar[Coordinates] = "generalised"
    laws: ClassVar[frozenset[str]] = frozenset()
    atomic_numbers: ClassVar[None] = None
    fixed_diabatic_basis: ClassVar[bool] = True
    block_width: ClassVar[int] = 64
    shortest_distances: ClassVar[None] = None
    n_states: ClassVar[int] = 2
    n_basis: ClassVar[int] = 2
    masses: ClassVar[torch.Tensor] = torch.tensor([2000.0], dtype=torch.float64)

    def evaluate(self, positions):
        x = positions[:, 0, 0]
        upper, lower = (e + s * x for e, s in zip(self.levels, self.slopes, strict=True))
        off = torch.full_like(x, self.coupling)
        matrix = torch.stack([upper, off, off, lower], dim=1).reshape(-1, 2, 2)
        return Evaluation(matrix, torch.zeros_like(x))
