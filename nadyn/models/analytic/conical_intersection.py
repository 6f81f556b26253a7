"""A conical intersection in two coordinates, with a coupling that ends far from it.

Source: A. Ferretti, G. Granucci, A. Lami, M. Persico and G. Villani, J. Chem. Phys. 104, 5517 (1996).
"""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.models.analytic.generalised import GeneralisedCoordinates
from nadyn.models.analytic.option_values import number
from nadyn.models.model import Evaluation

# Hartree and bohr.
_STIFFNESS_X, _STIFFNESS_Y, _SHIFT = 0.02, 0.10, 0.01
_MINIMUM_1, _MINIMUM_2, _CENTRE = 4.0, 3.0, 3.0
_NARROWNESS_X, _NARROWNESS_Y = 3.0, 1.5


@dataclass(frozen=True)
class ConicalIntersection(GeneralisedCoordinates):
    """Two diabatic states in the coordinates X and Y; build it with `conical_intersection`.

    W_11 = K_X (X - X_1)²/2 + K_Y Y²/2, W_22 = K_X (X - X_2)²/2 + K_Y Y²/2 + Δ and
    W_12 = γ Y exp[-α (X - X_3)² - β Y²].

    Attributes:
        coupling: γ [hartree/bohr].
        masses: Of X and of Y [electron mass].
    """

    coupling: float
    masses: Float[Tensor, "atom"] = field(
        default_factory=lambda: torch.tensor([20000.0, 6667.0], dtype=torch.float64)
    )

    name: ClassVar[str] = "conical-intersection"
    n_states: ClassVar[int] = 2
    n_basis: ClassVar[int] = 2
    block_width: ClassVar[int] = 1024

    def evaluate(self, positions: Float[Tensor, "traj atom x"]) -> Evaluation:
        """Return W [hartree] at positions [bohr] of shape (traj, 2, 1)."""
        x, y = positions[:, 0, 0], positions[:, 1, 0]
        across = 0.5 * _STIFFNESS_Y * y * y
        first = 0.5 * _STIFFNESS_X * (x - _MINIMUM_1) ** 2 + across
        second = 0.5 * _STIFFNESS_X * (x - _MINIMUM_2) ** 2 + across + _SHIFT
        reach = torch.exp(-_NARROWNESS_X * (x - _CENTRE) ** 2 - _NARROWNESS_Y * y * y)
        coupling = self.coupling * y * reach
        hamiltonian = torch.stack([first, coupling, coupling, second], dim=-1).reshape(-1, 2, 2)
        return Evaluation(hamiltonian, torch.zeros_like(x))


def conical_intersection(coupling_au: float) -> ConicalIntersection:
    """Return the model with an intersection at X = 3, Y = 0, where both states have the energy 0.01.

    The packet of the paper is the ground state of diabatic state 0 moved to X = 2, Y = 0.

    Args:
        coupling_au: γ [hartree/bohr], in the paper from 0.005 to 0.08.

    Raises:
        InputError: γ is no finite number.
    """
    return ConicalIntersection(number("conical_intersection", "coupling_au", coupling_au))
