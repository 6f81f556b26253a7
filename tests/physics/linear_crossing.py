"""Two diabatic straight lines with a constant coupling: the model that Landau and Zener solved."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch

from nadyn.models.model import Coordinates, Evaluation

COUPLING, SLOPE, SPEED = 0.002, 0.005, 0.006
# Heavy enough that neither forces nor hops change the speed by more than 0.1 %.
MASS = 2e6
EXACT = math.exp(-2 * math.pi * COUPLING**2 / (SPEED * 2 * SLOPE))


@dataclass(frozen=True)
class LinearCrossing:
    name: ClassVar[str] = "linear crossing"
    coordinates: ClassVar[Coordinates] = "generalised"
    laws: ClassVar[frozenset[str]] = frozenset()
    n_states: ClassVar[int] = 2
    n_basis: ClassVar[int] = 2
    atomic_numbers: ClassVar[None] = None
    fixed_diabatic_basis: ClassVar[bool] = True
    block_width: ClassVar[int] = 512
    shortest_distances: ClassVar[None] = None
    masses: ClassVar[torch.Tensor] = torch.tensor([MASS], dtype=torch.float64)

    def evaluate(self, positions):
        x = positions[:, 0, 0]
        coupling = torch.full_like(x, COUPLING)
        elements = torch.stack([SLOPE * x, coupling, coupling, -SLOPE * x], dim=-1)
        return Evaluation(elements.reshape(-1, 2, 2), torch.zeros_like(x))
