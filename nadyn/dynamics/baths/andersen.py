"""Andersen's collisions: now and then an atom gets new momenta from the bath."""

import math
from typing import Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from nadyn.checks.configuration import Configuration
from nadyn.dynamics.baths.thermostat import PER_PS, Bathed, Thermostat
from nadyn.dynamics.state.batch import State
from nadyn.dynamics.state.energies import kinetic_energy
from nadyn.dynamics.state.random_numbers import Stream, normal, uniform
from nadyn.units import HARTREE_PER_KELVIN


class AndersenSection(Configuration):
    """Collisions with the bath: {name: andersen, temperature_kelvin: 300, collisions_per_ps: 10}."""

    name: Literal["andersen"]
    temperature_kelvin: float = Field(gt=0.0, allow_inf_nan=False)
    collisions_per_ps: float = Field(default=10.0, gt=0.0, allow_inf_nan=False)

    def thermostat(
        self, *, dt: float, seed: int, masses: Float[Tensor, "atom"], laws: frozenset[str]
    ) -> Thermostat:
        """Return the thermostat of this section; time step and masses in atomic units."""
        return andersen(
            dt=dt,
            seed=seed,
            masses=masses,
            temperature=self.temperature_kelvin * HARTREE_PER_KELVIN,
            rate=self.collisions_per_ps * PER_PS,
        )


def andersen(
    *, dt: float, seed: int, masses: Float[Tensor, "atom"], temperature: float, rate: float
) -> Thermostat:
    """Return Andersen's thermostat: in a step each atom collides with probability 1 - exp(-rate dt).

    An atom that collides forgets its momenta; the new ones have the variance M k T. All degrees of freedom
    are thermal, translation and rotation included.

    Source: H. C. Andersen, J. Chem. Phys. 72, 2384 (1980), section III.

    Args:
        dt: Time step [au].
        seed: Seed of the run.
        masses: M [electron mass].
        temperature: k T [hartree].
        rate: Collisions of one atom [1/au of time].
    """
    probability = -math.expm1(-rate * dt)
    width = torch.sqrt(masses * temperature)

    def act(state: State, momenta: Float[Tensor, "traj atom x"]) -> Bathed:
        step = state.step + 1
        zeta = uniform(seed, state.trajectory, step, Stream.COLLISION, (momenta.shape[1],))
        noise = normal(seed, state.trajectory, step, Stream.THERMOSTAT, tuple(momenta.shape[1:]))
        after = torch.where((zeta < probability)[:, :, None], noise * width[:, None], momenta)
        return Bathed(after, kinetic_energy(after, masses) - kinetic_energy(momenta, masses))

    return Thermostat(act)
