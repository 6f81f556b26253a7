"""Gaussian wave packets."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Complex
from torch import Tensor

from nadyn.checks.errors import InputError
from nadyn.quantum.grids import Grid


@dataclass(frozen=True)
class Packet:
    """A Gaussian on one state.

    psi(x) ~ prod_n exp[-(x_n - x0_n)² / (2 sigma_n²) + i p_n (x_n - x0_n)], so that the density is
    exp[-(x - x0)² / sigma²], the standard deviation of x is sigma/√2 and that of p is 1/(√2 sigma). The
    ground state of an oscillator has sigma = 1/√(m omega), which is 1 in dimensionless coordinates.

    Attributes:
        position: Centre x0 in each coordinate.
        momentum: Mean momentum p in each coordinate [au].
        width: sigma in each coordinate.
        state: Number of the state, 0 is the first.
        representation: Whether `state` is adiabatic or diabatic.
    """

    position: tuple[float, ...]
    momentum: tuple[float, ...]
    width: tuple[float, ...]
    state: int
    representation: Literal["adiabatic", "diabatic"] = "adiabatic"

    def __post_init__(self) -> None:
        """Refuse a packet that is none.

        Raises:
            InputError: Different lengths, or a width that is not positive.
        """
        if not len(self.position) == len(self.momentum) == len(self.width):
            raise InputError(
                "`position`, `momentum` and `width` of a packet must have one entry a coordinate, but have "
                f"{len(self.position)}, {len(self.momentum)} and {len(self.width)}."
            )
        if not all(width > 0 for width in self.width):
            raise InputError(f"`width` of a packet must be positive, but is {self.width}.")

    def on(self, grid: Grid) -> Complex[Tensor, "*points"]:
        """Return the normalised packet on a grid, without its state.

        Raises:
            InputError: The packet has another number of coordinates, or does not fit into the grid in
                positions or in momenta.
        """
        if len(self.position) != len(grid.points):
            raise InputError(
                f"`packet` must have {len(grid.points)} coordinates like the grid, "
                f"but has {len(self.position)}."
            )
        wave = torch.ones(grid.points, dtype=torch.complex128)
        for n, x in enumerate(grid.axes()):
            self._check_fit(n, grid)
            shift = x - self.position[n]
            factor = torch.exp(-0.5 * (shift / self.width[n]) ** 2 + 1j * self.momentum[n] * shift)
            wave = wave * grid.along(factor, n)
        return wave / torch.sqrt((wave.abs() ** 2).sum() * grid.cell)

    def _check_fit(self, n: int, grid: Grid) -> None:
        # Three widths hold all but 2e-5 of the density.
        reach = 3.0 * self.width[n]
        if self.position[n] - reach < grid.lower[n] or self.position[n] + reach > grid.upper[n]:
            raise InputError(
                f"`packet` must lie inside the grid, but reaches from {self.position[n] - reach:.3g} to "
                f"{self.position[n] + reach:.3g} in coordinate {n}. Widen the grid."
            )
        largest = math.pi / grid.spacing[n]
        if abs(self.momentum[n]) + 3.0 / self.width[n] > largest:
            raise InputError(
                f"`points` of the grid must resolve the momenta of the packet, but momenta up to "
                f"{abs(self.momentum[n]) + 3.0 / self.width[n]:.3g} are above the largest, {largest:.3g}, in "
                f"coordinate {n}. Use more points."
            )
