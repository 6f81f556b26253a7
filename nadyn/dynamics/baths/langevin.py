"""Langevin's random force and friction, solved exactly for the momenta alone."""

import math
from typing import Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from nadyn.checks.configuration import Configuration
from nadyn.checks.other_names import OTHER_NAMES
from nadyn.dynamics.baths.thermostat import PER_PS, Bathed, Thermostat
from nadyn.dynamics.state.batch import State
from nadyn.dynamics.state.energies import kinetic_energy
from nadyn.dynamics.state.random_numbers import Stream, normal
from nadyn.units import HARTREE_PER_KELVIN


class LangevinSection(Configuration):
    """Random force and friction: {temperature_kelvin: 300, friction_per_ps: 10}; `name` may be left out."""

    name: Literal["langevin"] = "langevin"
    temperature_kelvin: float = Field(gt=0.0, allow_inf_nan=False)
    friction_per_ps: float = Field(
        default=10.0,
        gt=0.0,
        allow_inf_nan=False,
        json_schema_extra={OTHER_NAMES: "friction gamma frictioncoefficient damping"},
    )

    def thermostat(
        self, *, dt: float, seed: int, masses: Float[Tensor, "atom"], laws: frozenset[str]
    ) -> Thermostat:
        """Return the thermostat of this section; time step and masses in atomic units."""
        return langevin(
            dt=dt,
            seed=seed,
            masses=masses,
            temperature=self.temperature_kelvin * HARTREE_PER_KELVIN,
            friction=self.friction_per_ps * PER_PS,
        )


def mixed_with_noise(
    momenta: Float[Tensor, "traj atom x"],
    masses: Float[Tensor, "atom"],
    *,
    noise: Float[Tensor, "traj atom x"],
    temperature: float,
    friction: float,
    dt: float,
) -> Float[Tensor, "traj atom x"]:
    """Return P exp(-g dt) + sqrt[(1 - exp(-2 g dt)) M k T] xi.

    Source: B. Leimkuhler and C. Matthews, J. Chem. Phys. 138, 174102 (2013), part O.

    Args:
        momenta: P [au].
        masses: M [electron mass].
        noise: xi, normal numbers.
        temperature: k T [hartree].
        friction: g [1/au of time].
        dt: Time [au].
    """
    kept = math.exp(-friction * dt)
    width = torch.sqrt(masses * (temperature * -math.expm1(-2.0 * friction * dt)))
    return momenta * kept + noise * width[:, None]


def langevin(
    *, dt: float, seed: int, masses: Float[Tensor, "atom"], temperature: float, friction: float
) -> Thermostat:
    """Return Langevin's thermostat, see `mixed_with_noise` for the arguments.

    All degrees of freedom are thermal, translation and rotation included.
    """

    def act(state: State, momenta: Float[Tensor, "traj atom x"]) -> Bathed:
        shape = tuple(momenta.shape[1:])
        noise = normal(seed, state.trajectory, state.step + 1, Stream.THERMOSTAT, shape)
        after = mixed_with_noise(
            momenta, masses, noise=noise, temperature=temperature, friction=friction, dt=dt
        )
        return Bathed(after, kinetic_energy(after, masses) - kinetic_energy(momenta, masses))

    return Thermostat(act)
