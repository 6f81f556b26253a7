"""Particles that do not see each other, in a cell whose shape has an energy of its own: exactly solvable."""

from dataclasses import dataclass

import torch

from nadyn.dynamics.initial.start import start_in_state
from nadyn.dynamics.nuclei.box import begin_in_box
from nadyn.models.model import Evaluation

KT = 1e-3


@dataclass(frozen=True)
class GasInABox:
    """U = V₀ (½ λ (tr η)² + μ tr η²), η = ½ (h₀⁻¹ h hᵀ h₀⁻ᵀ - 1) the strain of the cell."""

    n_atoms: int
    cell: torch.Tensor
    first: float = 0.0
    second: float = 0.0
    block_width: int = 64

    name = "gas"
    coordinates = "cartesian"
    laws = frozenset({"translation", "permutation"})
    n_states = n_basis = 1
    fixed_diabatic_basis = False
    shortest_distances = None
    pbc = (True, True, True)

    @property
    def masses(self):
        return torch.linspace(2000.0, 30000.0, self.n_atoms, dtype=torch.float64)

    @property
    def atomic_numbers(self):
        return (2,) * self.n_atoms

    def evaluate(self, positions, *, cells=None):
        h = self.cell.expand(len(positions), 3, 3) if cells is None else cells
        change = torch.linalg.solve(self.cell, h)
        eta = 0.5 * (change @ change.mT - torch.eye(3, dtype=torch.float64))
        trace = eta.diagonal(dim1=1, dim2=2).sum(1)
        volume = torch.linalg.det(self.cell).abs()
        energy = volume * (0.5 * self.first * trace**2 + self.second * (eta**2).sum((1, 2)))
        return Evaluation((energy + 0.0 * positions.sum((1, 2)))[:, None, None], torch.zeros(len(positions)))


def gas_at_rest(model, n_traj, kt=KT, seed=1):
    """Return a batch in the cell of the model with thermal momenta."""
    generator = torch.Generator().manual_seed(seed)

    def random(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    fractions = torch.rand(n_traj, model.n_atoms, 3, generator=generator, dtype=torch.float64)
    momenta = random(n_traj, model.n_atoms, 3) * torch.sqrt(model.masses * kt)[:, None]
    state = start_in_state(model, fractions @ model.cell, momenta, masses=model.masses, active_state=0)
    return begin_in_box(state, model)
