"""Charge transfer by an electron and a proton between two fixed ions.

Source: S. Shin and H. Metiu, J. Chem. Phys. 102, 9285 (1995).
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.models.analytic.generalised import GeneralisedCoordinates
from nadyn.models.model import Evaluation

# Bohr. The ions stand at -9.5 and 9.5; the ranges soften the attraction of the left ion, the right ion and
# the proton.
_DISTANCE_OF_IONS = 19.0
_RANGE_LEFT, _RANGE_RIGHT, _RANGE_PROTON = 4.0, 3.1, 5.0
_PROTON_MASS = 1836.15267343

# The electron's points. With these the energies of the lowest states are right to 3e-6 hartree.
_FIRST, _SPACING, _POINTS = -21.5, 1.0, 44


@dataclass(frozen=True, eq=False)
class ShinMetiu(GeneralisedCoordinates):
    """The lowest states of the electron along the coordinate R of the proton; build it with `shin_metiu`.

    The diabatic basis is the electron's position r on a grid (sinc functions), so that

    W(R) = T + δ_ij [1/|L/2 - R| + 1/|L/2 + R| - erf(|R - r_i|/R_c)/|R - r_i|
                     - erf(|r_i - L/2|/R_r)/|r_i - L/2| - erf(|r_i + L/2|/R_l)/|r_i + L/2|]

    Attributes:
        points: r_i [bohr].
        kinetic: T [hartree].
        fixed_charges: The last two terms at each r_i [hartree].
        masses: Mass of the proton [electron mass].
    """

    points: Float[Tensor, "basis"]
    kinetic: Float[Tensor, "basis basis"]
    fixed_charges: Float[Tensor, "basis"]
    masses: Float[Tensor, "atom"]

    name: ClassVar[str] = "shin-metiu"
    n_states: ClassVar[int] = 3
    n_basis: ClassVar[int] = _POINTS
    # A place of the electron is no state whose population would mean something.
    fixed_diabatic_basis: ClassVar[bool] = False
    block_width: ClassVar[int] = 64

    def evaluate(self, positions: Float[Tensor, "traj atom x"]) -> Evaluation:
        """Return W [hartree] at proton positions [bohr] of shape (traj, 1, 1), between the ions."""
        proton = positions[:, 0, 0]
        repulsion = 1.0 / (0.5 * _DISTANCE_OF_IONS - proton) + 1.0 / (0.5 * _DISTANCE_OF_IONS + proton)
        attraction = _softened(proton[:, None] - self.points, _RANGE_PROTON)
        potential = self.fixed_charges + repulsion[:, None] - attraction
        return Evaluation(self.kinetic + torch.diag_embed(potential), torch.zeros_like(proton))


def shin_metiu() -> ShinMetiu:
    """Return the model with ions 19 bohr apart and ranges of 4.0 (left), 3.1 (right) and 5.0 bohr (proton).

    The two lowest states come close near R = -1.9, so that an electron excited with the proton at R = -4
    crosses from the first excited state to the ground state.
    """
    points = _FIRST + _SPACING * torch.arange(_POINTS, dtype=torch.float64)
    index = torch.arange(_POINTS)
    apart = index[:, None] - index
    sign = 1.0 - 2.0 * (apart % 2)
    # D. T. Colbert and W. H. Miller, J. Chem. Phys. 96, 1982 (1992), equation 2.3.
    kinetic = sign / apart.double().square().clamp(min=1.0) / _SPACING**2
    kinetic[index, index] = math.pi**2 / 6.0 / _SPACING**2
    half = 0.5 * _DISTANCE_OF_IONS
    fixed = -_softened(points - half, _RANGE_RIGHT) - _softened(points + half, _RANGE_LEFT)
    return ShinMetiu(
        points=points,
        kinetic=kinetic,
        fixed_charges=fixed,
        masses=torch.tensor([_PROTON_MASS], dtype=torch.float64),
    )


def _softened(distance: Tensor, reach: float) -> Tensor:
    """Return erf(|d|/R)/|d|, an even function that is 2/(√π R) at 0 with all derivatives."""
    scaled = distance / reach
    near = scaled.abs() < 1e-3
    safe = torch.where(near, torch.ones_like(scaled), scaled)
    series = (2.0 / math.sqrt(math.pi)) * (1.0 - scaled**2 / 3.0)
    return torch.where(near, series, torch.erf(safe) / safe) / reach
