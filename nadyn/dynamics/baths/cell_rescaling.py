"""Stochastic cell rescaling: a barostat whose volumes and shapes have the right distribution."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from nadyn.checks.configuration import Configuration
from nadyn.dynamics.nuclei.box import Box, volume
from nadyn.dynamics.state.batch import State
from nadyn.dynamics.state.batch_independence import ordered_sum
from nadyn.dynamics.state.matrix_products import product, trajectories_last
from nadyn.dynamics.state.random_numbers import Stream, normal
from nadyn.units import AU_PER_FEMTOSECOND, GIGAPASCAL_PER_AU

CellMotion = Literal["isotropic", "full"]

# Of the exponential of a strain that is small: 0.3^13/13! is below rounding.
_TERMS = 12


class BarostatSection(Configuration):
    """Random rescaling of the cell: {pressure_gpa: 0, relaxation_ps: 1, compressibility_per_gpa: 0.007}."""

    name: Literal["cell_rescaling"] = "cell_rescaling"
    pressure_gpa: float = Field(default=0.0, allow_inf_nan=False)
    relaxation_ps: float = Field(default=1.0, gt=0.0, allow_inf_nan=False)
    compressibility_per_gpa: float = Field(default=0.05, gt=0.0, allow_inf_nan=False)
    cell: CellMotion = "isotropic"

    def barostat(
        self, *, dt: float, seed: int, masses: Float[Tensor, "atom"], temperature_kt: float
    ) -> "Barostat":
        """Return the barostat of this section; time step, masses and k T in atomic units."""
        return cell_rescaling(
            dt=dt,
            seed=seed,
            masses=masses,
            temperature=temperature_kt,
            pressure=self.pressure_gpa / GIGAPASCAL_PER_AU,
            relaxation=self.relaxation_ps * 1e3 * AU_PER_FEMTOSECOND,
            compressibility=self.compressibility_per_gpa * GIGAPASCAL_PER_AU,
            motion=self.cell,
        )


@dataclass(frozen=True)
class Barostat:
    """A barostat made ready for one run.

    Attributes:
        strain: The strain ε of each cell in a time step, symmetric: cell vectors and positions are to be
            multiplied by exp(ε) from the right, momenta by exp(-ε). The state says whose, which step it is,
            cell and stress; the momenta are those of now.
    """

    strain: Callable[[State, Box, Float[Tensor, "traj atom 3"]], Float[Tensor, "traj 3 3"]]


def cell_rescaling(
    *,
    dt: float,
    seed: int,
    masses: Float[Tensor, "atom"],
    temperature: float,
    pressure: float,
    relaxation: float,
    compressibility: float,
    motion: CellMotion = "isotropic",
) -> Barostat:
    """Return the barostat of stochastic cell rescaling.

    Isotropic, with ε = ln V/3 times the unit matrix:

        d ln V = -(β/τ) (P₀ - P) dt + sqrt[2 kT β/(V τ)] dW

    with the momentary pressure P = 2K/3V - tr σ/3. All of the cell, with Π = Σ p p/MV - σ and symmetric
    noise:

        dε = -(β/3τ) (P₀ 1 - Π) dt + sqrt[2 kT β/(3 V τ)] (dW + dWᵀ)/2

    Positions go with the cell and momenta against it, so that volume and shape are distributed as
    exp[-(K + U + P₀ V)/kT], whatever β and τ. Those set the pace: a system of compressibility β comes to its
    volume within τ.

    Sources: M. Bernetti and G. Bussi, J. Chem. Phys. 153, 114107 (2020); V. Del Tatto, P. Raiteri,
    M. Bernetti and G. Bussi, Appl. Sci. 12, 1139 (2022).

    Args:
        dt: Time step [au].
        seed: Seed of the run.
        masses: [electron mass].
        temperature: k T [hartree].
        pressure: P₀ [hartree/bohr³].
        relaxation: τ [au].
        compressibility: β [bohr³/hartree].
        motion: Of the cell.
    """
    unit = torch.eye(3, dtype=torch.float64, device=masses.device)
    rate = compressibility / relaxation

    def strain(state: State, box: Box, momenta: Float[Tensor, "traj atom 3"]) -> Float[Tensor, "traj 3 3"]:
        v = volume(box.cell)
        inner = kinetic_tensor(momenta, masses) / v[:, None, None] - box.stress
        number = state.step + 1
        if motion == "isotropic":
            mean = (inner[:, 0, 0] + inner[:, 1, 1] + inner[:, 2, 2]) / 3.0
            noise = normal(seed, state.trajectory, number, Stream.BAROSTAT, (1,))[:, 0]
            change = (mean - pressure) * (rate * dt) + torch.sqrt(2.0 * temperature * rate * dt / v) * noise
            return (change / 3.0)[:, None, None] * unit
        noise = normal(seed, state.trajectory, number, Stream.BAROSTAT, (3, 3))
        noise = 0.5 * (noise + noise.mT)
        width = torch.sqrt(2.0 * temperature * rate * dt / (3.0 * v))
        return (inner - pressure * unit) * (rate * dt / 3.0) + width[:, None, None] * noise

    return Barostat(strain)


def kinetic_tensor(
    momenta: Float[Tensor, "traj atom 3"], masses: Float[Tensor, "atom"]
) -> Float[Tensor, "traj 3 3"]:
    """Return Σ p p/M [hartree]; its trace is twice the kinetic energy."""
    velocities = momenta / masses[:, None]
    rows = [
        torch.stack([ordered_sum(momenta[..., x] * velocities[..., y]) for y in range(3)], dim=1)
        for x in range(3)
    ]
    return torch.stack(rows, dim=1)


def stretch(strain: Float[Tensor, "traj 3 3"]) -> Float[Tensor, "traj 3 3"]:
    """Return exp(ε) by its series, for strains far below 1; a row does not depend on the others."""
    first = trajectories_last(strain)
    unit = torch.eye(3, dtype=strain.dtype)[:, :, None].expand_as(first)
    result, term = unit + first, first
    for n in range(2, _TERMS + 1):
        term = product(term, first) / n
        result = result + term
    return result.movedim(-1, 0).contiguous()


def turned(
    vectors: Float[Tensor, "traj row 3"], by: Float[Tensor, "traj 3 3"]
) -> Float[Tensor, "traj row 3"]:
    """Return rows times matrices, added up in one order."""
    return (vectors[..., 0, None] * by[:, None, 0] + vectors[..., 1, None] * by[:, None, 1]) + vectors[
        ..., 2, None
    ] * by[:, None, 2]


def work_on(strain: Float[Tensor, "traj 3 3"], before: Box, after: Box) -> Float[Tensor, "traj"]:
    """Return what a strain has changed of the potential energy, V σ : ε with the mean of before and after."""
    force = (
        before.stress * volume(before.cell)[:, None, None] + after.stress * volume(after.cell)[:, None, None]
    )
    return 0.5 * ordered_sum(force * strain)
