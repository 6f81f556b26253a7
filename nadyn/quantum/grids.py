"""Uniform grids in one to three coordinates, and what happens at their edges."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from nadyn.checks.counts import counted
from nadyn.checks.errors import InputError

# More points than this times the square of the number of states do not fit into the memory of a workstation.
_MOST_MATRIX_ELEMENTS = 2**26


@dataclass(frozen=True)
class Grid:
    """Equally spaced points from `lower` (included) to `upper` (excluded) in each coordinate; periodic.

    Attributes:
        lower: First point in each coordinate [bohr, or the model's own coordinate].
        upper: End of each coordinate.
        points: Number of points in each coordinate; powers of 2, 3 and 5 are fast.
    """

    lower: tuple[float, ...]
    upper: tuple[float, ...]
    points: tuple[int, ...]

    def __post_init__(self) -> None:
        """Refuse a grid that is none.

        Raises:
            InputError: Different lengths, an empty range, or fewer than 4 points.
        """
        if not len(self.lower) == len(self.upper) == len(self.points) or not self.points:
            raise InputError(
                "`lower`, `upper` and `points` of a grid must have one entry a coordinate, but have "
                f"{len(self.lower)}, {len(self.upper)} and {len(self.points)}."
            )
        for lower, upper, points in zip(self.lower, self.upper, self.points, strict=True):
            if not (math.isfinite(lower) and math.isfinite(upper) and lower < upper):
                raise InputError(f"`lower` of a grid must be less than `upper`, but is {lower} and {upper}.")
            if points < 4:
                raise InputError(f"`points` of a grid must be at least 4, but is {points}.")

    @property
    def spacing(self) -> tuple[float, ...]:
        """Distance of neighbouring points in each coordinate."""
        return tuple((u - l) / n for l, u, n in zip(self.lower, self.upper, self.points, strict=True))

    @property
    def cell(self) -> float:
        """Volume that belongs to one point."""
        return math.prod(self.spacing)

    def axes(self) -> list[Float[Tensor, "_points"]]:
        """Return the points of each coordinate."""
        spacing = self.spacing
        return [
            lower + step * torch.arange(n, dtype=torch.float64)
            for lower, step, n in zip(self.lower, spacing, self.points, strict=True)
        ]

    def wave_numbers(self) -> list[Float[Tensor, "_points"]]:
        """Return the momenta of each coordinate in the order of the discrete Fourier transform [au]."""
        return [
            2.0 * math.pi * torch.fft.fftfreq(n, step, dtype=torch.float64)
            for n, step in zip(self.points, self.spacing, strict=True)
        ]

    def positions(self) -> Float[Tensor, "point coordinate 1"]:
        """Return all points as positions of a model with generalised coordinates."""
        mesh = torch.meshgrid(*self.axes(), indexing="ij")
        return torch.stack([axis.reshape(-1) for axis in mesh], dim=1)[:, :, None]

    def along(self, values: Shaped[Tensor, "_points"], coordinate: int) -> Shaped[Tensor, "..."]:
        """Return values of one coordinate in a shape that broadcasts over the whole grid."""
        shape = [1] * len(self.points)
        shape[coordinate] = -1
        return values.reshape(shape)


@dataclass(frozen=True)
class Absorber:
    """Takes up what reaches both ends of one coordinate, by -i strength (depth/width)² added to W.

    Source: R. Kosloff and D. Kosloff, J. Comput. Phys. 63, 363 (1986).

    Attributes:
        width: Length at each end over which density is absorbed [bohr].
        strength: Value at the very end [hartree]. Too small a value lets density through, too large a
            one reflects it; about a third of the kinetic energy serves well.
        coordinate: Which coordinate.
    """

    width: float
    strength: float
    coordinate: int = 0

    def on(self, grid: Grid) -> Float[Tensor, "_points"]:
        """Return the absorption along the coordinate [hartree].

        Raises:
            InputError: There is no such coordinate, or the two ends overlap.
        """
        if not 0 <= self.coordinate < len(grid.points):
            raise InputError(
                f"`coordinate` of an absorber must be from 0 to {len(grid.points) - 1}, "
                f"but is {self.coordinate}."
            )
        lower, upper = grid.lower[self.coordinate], grid.upper[self.coordinate]
        if not (self.strength > 0 and 0 < self.width < 0.5 * (upper - lower)):
            raise InputError(
                f"`width` of an absorber must be positive and less than half the grid, and `strength` "
                f"positive, but they are {self.width} and {self.strength}."
            )
        x = grid.axes()[self.coordinate]
        depth = torch.maximum(lower + self.width - x, x - (upper - self.width)).clamp(min=0.0)
        return self.strength * (depth / self.width) ** 2


def check_grid(grid: Grid, *, n_coordinates: int, n_states: int) -> None:
    """Refuse a grid that does not fit a model or the memory.

    Raises:
        InputError: Another number of coordinates, or too many points.
    """
    if len(grid.points) != n_coordinates:
        raise InputError(
            f"`grid` must have {n_coordinates} coordinates for this model, but has {len(grid.points)}."
        )
    most = _MOST_MATRIX_ELEMENTS // n_states**2
    if math.prod(grid.points) > most:
        raise InputError(
            f"`grid` must have at most {most} points for {counted(n_states, 'state')}, but has "
            f"{math.prod(grid.points)}. Use fewer points, or `basis_propagation` for a vibronic model."
        )
