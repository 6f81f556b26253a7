"""Oscillators whose quantum mechanics is known by heart."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from nadyn.models.analytic.vibronic import VibronicCoupling, vibronic_model
from nadyn.models.analytic.vibronic_parameters import VibronicParameters
from nadyn.models.model import Evaluation


def oscillators(
    frequencies=(0.01, 0.02), *, energies=(0.0,), constant=None, linear=None, quadratic=None
) -> VibronicCoupling:
    """Return uncoupled oscillators, or coupled ones by terms in hartree."""
    names = tuple(f"mode {m}" for m in range(len(frequencies)))
    states = tuple(f"state {a}" for a in range(len(energies)))
    diagonal = {(a, a): energy for a, energy in enumerate(energies)}
    return vibronic_model(
        VibronicParameters(
            name="oscillators",
            modes=names,
            states=states,
            frequencies=tuple(frequencies),
            constant=diagonal | (constant or {}),
            linear=linear or {},
            quadratic=quadratic or {},
        )
    )


@dataclass(frozen=True, eq=False)
class FlatSurfaces:
    """A particle of mass 2000 on which no force acts."""

    hamiltonian: Tensor

    name: ClassVar[str] = "flat"
    coordinates: ClassVar[str] = "generalised"
    laws: ClassVar[frozenset[str]] = frozenset()
    atomic_numbers: ClassVar[None] = None
    fixed_diabatic_basis: ClassVar[bool] = True
    block_width: ClassVar[int] = 64
    shortest_distances: ClassVar[None] = None

    @property
    def n_states(self) -> int:
        return len(self.hamiltonian)

    @property
    def n_basis(self) -> int:
        return len(self.hamiltonian)

    @property
    def masses(self) -> Tensor:
        return torch.tensor([2000.0], dtype=torch.float64)

    def evaluate(self, positions: Tensor) -> Evaluation:
        n = len(positions)
        return Evaluation(self.hamiltonian.expand(n, -1, -1), positions.new_zeros(n))
