"""Tully's three one-dimensional models: one avoided crossing, two of them, extended coupling.

Source: J. C. Tully, J. Chem. Phys. 93, 1061 (1990), equations 21, 23 and 24.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.checks.errors import InputError
from nadyn.models.analytic.generalised import GeneralisedCoordinates
from nadyn.models.model import Evaluation, PullBack


@dataclass(frozen=True)
class Tully(GeneralisedCoordinates):
    """Two diabatic states along one coordinate; build it with `tully`."""

    variant: int
    masses: Float[Tensor, "atom"] = field(default_factory=lambda: torch.tensor([2000.0], dtype=torch.float64))

    n_states: ClassVar[int] = 2
    n_basis: ClassVar[int] = 2
    block_width: ClassVar[int] = 2048
    shortest_block: ClassVar[int] = 64

    @property
    def name(self) -> str:
        return f"tully-{self.variant}"

    def evaluate(self, positions: Float[Tensor, "traj atom x"]) -> Evaluation:
        """Return W [hartree] at positions [bohr] of shape (traj, 1, 1)."""
        return _evaluation(_ELEMENTS[self.variant](positions[:, 0, 0]))

    def evaluate_once(self, positions: Float[Tensor, "traj atom x"]) -> tuple[Evaluation, PullBack]:
        """See `KnowsSlopes`; the derivative has the bits of that of `evaluate`, by a graph."""
        elements = _ELEMENTS[self.variant](positions.detach()[:, 0, 0])

        def pull_back(cotangent: Tensor) -> Tensor:
            slope = elements.slope(
                cotangent[:, 0, 0], cotangent[:, 1, 1], cotangent[:, 0, 1] + cotangent[:, 1, 0]
            )
            return slope[:, None, None]

        return _evaluation(elements), pull_back


def tully(variant: int) -> Tully:
    """Return Tully's model 1 (single avoided crossing), 2 (dual) or 3 (extended coupling).

    Raises:
        InputError: `variant` is not 1, 2 or 3.
    """
    if type(variant) is not int or variant not in _ELEMENTS:
        raise InputError(f"`variant` of the Tully model must be 1, 2 or 3, but is {variant!r}.")
    return Tully(variant)


@dataclass(frozen=True)
class _Elements:
    """The diabatic elements V11, V22 and V12 [hartree] at some x.

    Attributes:
        slope: The derivative in x of their sum, each times a number of its own; operation for operation that
            of a graph of torch.
    """

    first: Tensor
    second: Tensor
    coupling: Tensor
    slope: Callable[[Tensor, Tensor, Tensor], Tensor]


def _evaluation(elements: _Elements) -> Evaluation:
    first, second, coupling = elements.first, elements.second, elements.coupling
    hamiltonian = torch.stack([first, coupling, coupling, second], dim=-1).reshape(-1, 2, 2)
    return Evaluation(hamiltonian, torch.zeros_like(first.detach()))


def _single_crossing(x: Tensor) -> _Elements:
    is_left = x < 0
    less, packet = torch.expm1(-1.6 * _distance(x)), torch.exp(-(x**2))
    size = -0.01 * less
    first = torch.where(is_left, -size, size)

    def slope(of_first: Tensor, of_second: Tensor, of_coupling: Tensor) -> Tensor:
        of_size = _turned_left(is_left, of_first - of_second)
        of_distance = of_size * -0.01 * (less + 1.0) * -1.6
        return _turned_left(is_left, of_distance) - of_coupling * 0.005 * packet * (2.0 * x)

    return _Elements(first, -first, 0.005 * packet, slope)


def _dual_crossing(x: Tensor) -> _Elements:
    well, packet = torch.exp(-0.28 * x**2), torch.exp(-0.06 * x**2)

    def slope(of_first: Tensor, of_second: Tensor, of_coupling: Tensor) -> Tensor:
        twice = 2.0 * x
        return of_second * -0.1 * well * -0.28 * twice + of_coupling * 0.015 * packet * -0.06 * twice

    return _Elements(torch.zeros_like(x), -0.1 * well + 0.05, 0.015 * packet, slope)


def _extended_coupling(x: Tensor) -> _Elements:
    is_left, constant = x < 0, torch.full_like(x, 6e-4)
    decay = torch.exp(-0.9 * _distance(x))
    coupling = torch.where(is_left, 0.1 * decay, 0.1 * (2.0 - decay))

    def slope(of_first: Tensor, of_second: Tensor, of_coupling: Tensor) -> Tensor:
        of_decay = torch.where(is_left, of_coupling, 0.0 - of_coupling) * 0.1
        return _turned_left(is_left, of_decay * decay * -0.9)

    return _Elements(constant, -constant, coupling, slope)


def _distance(x: Tensor) -> Tensor:
    """|x| with derivative 1 at 0, where that of `torch.abs` is 0 and would leave the origin without force."""
    return _turned_left(x < 0, x)


def _turned_left(is_left: Tensor, values: Tensor) -> Tensor:
    """Return values with the other sign on the left; zero has none, as in a graph that adds both sides."""
    return torch.where(is_left, 0.0 - values, values)


_ELEMENTS = {1: _single_crossing, 2: _dual_crossing, 3: _extended_coupling}
