"""Tully's three one-dimensional models: one avoided crossing, two of them, extended coupling.

Source: J. C. Tully, J. Chem. Phys. 93, 1061 (1990), equations 21, 23 and 24.
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
class Tully(GeneralisedCoordinates):
    """Two diabatic states along one coordinate; build it with `tully`."""

    variant: int
    masses: Float[Tensor, "atom"] = field(default_factory=lambda: torch.tensor([2000.0], dtype=torch.float64))

    n_states: ClassVar[int] = 2
    n_basis: ClassVar[int] = 2
    block_width: ClassVar[int] = 2048

    @property
    def name(self) -> str:
        return f"tully-{self.variant}"

    def evaluate(self, positions: Float[Tensor, "traj atom x"]) -> Evaluation:
        """Return W [hartree] at positions [bohr] of shape (traj, 1, 1)."""
        x = positions[:, 0, 0]
        first, second, coupling = _ELEMENTS[self.variant](x)
        hamiltonian = torch.stack([first, coupling, coupling, second], dim=-1).reshape(-1, 2, 2)
        return Evaluation(hamiltonian, torch.zeros_like(x))


def tully(variant: int) -> Tully:
    """Return Tully's model 1 (single avoided crossing), 2 (dual) or 3 (extended coupling).

    Raises:
        InputError: `variant` is not 1, 2 or 3.
    """
    if type(variant) is not int or variant not in _ELEMENTS:
        raise InputError(f"`variant` of the Tully model must be 1, 2 or 3, but is {variant!r}.")
    return Tully(variant)


# Each function returns the diabatic elements V11, V22 and V12 [hartree] at x [bohr].


def _single_crossing(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    size = -0.01 * torch.expm1(-1.6 * _distance(x))
    first = torch.where(x < 0, -size, size)
    return first, -first, 0.005 * torch.exp(-(x**2))


def _dual_crossing(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    second = -0.1 * torch.exp(-0.28 * x**2) + 0.05
    return torch.zeros_like(x), second, 0.015 * torch.exp(-0.06 * x**2)


def _extended_coupling(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    decay = torch.exp(-0.9 * _distance(x))
    constant = torch.full_like(x, 6e-4)
    return constant, -constant, torch.where(x < 0, 0.1 * decay, 0.1 * (2.0 - decay))


def _distance(x: Tensor) -> Tensor:
    """|x| with derivative 1 at 0, where that of `torch.abs` is 0 and would leave the origin without force."""
    return torch.where(x < 0, -x, x)


_ELEMENTS = {1: _single_crossing, 2: _dual_crossing, 3: _extended_coupling}
