"""Photodissociation on three Morse curves.

Source: E. A. Coronado, J. Xing and W. H. Miller, Chem. Phys. Lett. 349, 521 (2001).
"""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.checks.errors import InputError
from nadyn.models.analytic.generalised import GeneralisedCoordinates
from nadyn.models.model import Evaluation


@dataclass(frozen=True)
class MorsePhotodissociation(GeneralisedCoordinates):
    """Three diabatic states along one distance; build it with `morse`.

    W_aa = D_a [1 - exp(-β_a (R - R_a))]² + c_a and W_ab = A_ab exp(-α_ab (R - R_ab)²).
    """

    variant: int
    masses: Float[Tensor, "atom"] = field(
        default_factory=lambda: torch.tensor([20000.0], dtype=torch.float64)
    )

    n_states: ClassVar[int] = 3
    n_basis: ClassVar[int] = 3
    block_width: ClassVar[int] = 1024

    @property
    def name(self) -> str:
        return f"morse-{self.variant}"

    def evaluate(self, positions: Float[Tensor, "traj atom x"]) -> Evaluation:
        """Return W [hartree] at distances [bohr] of shape (traj, 1, 1)."""
        r = positions[:, 0, 0]
        curves, couplings = _PARAMETERS[self.variant]
        elements = {
            (a, a): depth * torch.expm1(-steepness * (r - place)) ** 2 + shift
            for a, (depth, steepness, place, shift) in enumerate(curves)
        }
        for pair, (size, narrowness, place) in couplings.items():
            elements[pair] = elements[pair[::-1]] = size * torch.exp(-narrowness * (r - place) ** 2)
        zero = torch.zeros_like(r)
        rows = [torch.stack([elements.get((a, b), zero) for b in range(3)], dim=-1) for a in range(3)]
        return Evaluation(torch.stack(rows, dim=-2), zero.detach())


def morse(variant: int) -> MorsePhotodissociation:
    """Return model 1, 2 or 3 of photodissociation on Morse curves.

    The packet of the paper is the ground state of an oscillator of frequency 0.005 hartree (width
    1/√(mass frequency) = 0.1 bohr), at 2.9, 3.3 or 2.1 bohr for model 1, 2 or 3, on diabatic state 0.

    Raises:
        InputError: `variant` is not 1, 2 or 3.
    """
    if type(variant) is not int or variant not in _PARAMETERS:
        raise InputError(f"`variant` of the Morse model must be 1, 2 or 3, but is {variant!r}.")
    return MorsePhotodissociation(variant)


# For each state D [hartree], β [1/bohr], R [bohr], c [hartree]; for each pair A [hartree], α [1/bohr²],
# R [bohr].
_PARAMETERS = {
    1: (
        ((0.003, 0.65, 5.0, 0.0), (0.004, 0.60, 4.0, 0.01), (0.003, 0.65, 6.0, 0.006)),
        {(0, 1): (0.002, 16.0, 3.40), (1, 2): (0.002, 16.0, 4.80)},
    ),
    2: (
        ((0.020, 0.65, 4.5, 0.0), (0.010, 0.40, 4.0, 0.01), (0.003, 0.65, 4.4, 0.02)),
        {(0, 1): (0.005, 32.0, 3.66), (0, 2): (0.005, 32.0, 3.34)},
    ),
    3: (
        ((0.020, 0.40, 4.0, 0.02), (0.020, 0.65, 4.5, 0.0), (0.003, 0.65, 6.0, 0.02)),
        {(0, 1): (0.005, 32.0, 3.40), (0, 2): (0.005, 32.0, 4.97)},
    ),
}
