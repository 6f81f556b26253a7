"""Stochastic velocity rescaling: one factor for all momenta, whose kinetic energy becomes canonical."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from nadyn.checks.configuration import Configuration
from nadyn.dynamics.baths.nose_hoover import degrees_of_freedom
from nadyn.dynamics.baths.thermostat import Bathed, Thermostat
from nadyn.dynamics.state.batch import State
from nadyn.dynamics.state.batch_independence import ordered_sum
from nadyn.dynamics.state.energies import kinetic_energy
from nadyn.dynamics.state.memory import recall, remember
from nadyn.dynamics.state.random_numbers import Stream, normal
from nadyn.models.model import CARTESIAN_LAWS
from nadyn.units import AU_PER_FEMTOSECOND, HARTREE_PER_KELVIN


class VelocityRescalingSection(Configuration):
    """One random factor for all momenta: {name: velocity_rescaling, temperature_kelvin: 300}."""

    name: Literal["velocity_rescaling"]
    temperature_kelvin: float = Field(gt=0.0, allow_inf_nan=False)
    relaxation_fs: float = Field(default=100.0, gt=0.0, allow_inf_nan=False)

    def thermostat(
        self, *, dt: float, seed: int, masses: Float[Tensor, "atom"], laws: frozenset[str]
    ) -> Thermostat:
        """Return the thermostat of this section; time step and masses in atomic units."""
        return velocity_rescaling(
            dt=dt,
            seed=seed,
            masses=masses,
            temperature=self.temperature_kelvin * HARTREE_PER_KELVIN,
            relaxation=self.relaxation_fs * AU_PER_FEMTOSECOND,
            laws=laws,
        )


@dataclass(frozen=True)
class ThermalFreedom:
    """How many components of the momenta of each trajectory share the kinetic energy."""

    n: Float[Tensor, "traj"]


def velocity_rescaling(
    *,
    dt: float,
    seed: int,
    masses: Float[Tensor, "atom"],
    temperature: float,
    relaxation: float,
    laws: frozenset[str] = CARTESIAN_LAWS,
) -> Thermostat:
    """Return the thermostat that multiplies all momenta by one factor a of a random motion of K:

        a² = c + (1 - c) K₀/(f K) (x₁² + … + x_f²) + 2 x₁ sqrt[c (1 - c) K₀/(f K)]

    with K₀ = f kT/2, c = exp(-dt/relaxation) and normal numbers x; a has the sign of
    x₁ + sqrt[c f K/((1 - c) K₀)]. That is the exact solution over a time step, and leaves the canonical
    distribution of K as it is. A net momentum of zero stays zero, and f counts what can be thermal.

    Source: G. Bussi, D. Donadio and M. Parrinello, J. Chem. Phys. 126, 014101 (2007), equation A7.

    Args:
        dt: Time step [au].
        seed: Seed of the run.
        masses: [electron mass].
        temperature: k T [hartree].
        relaxation: Time in which the kinetic energy forgets itself [au].
        laws: Of the model, see `degrees_of_freedom`.
    """
    kept = math.exp(-dt / relaxation)
    fresh = -math.expm1(-dt / relaxation)

    def begin(state: State) -> State:
        if "translation" in laws:
            n = degrees_of_freedom(state.positions, state.momenta, masses, laws)
        else:
            n = torch.full_like(state.weight, float(state.momenta[0].numel()))
        return remember(state, ThermalFreedom(n))

    def act(state: State, momenta: Float[Tensor, "traj atom x"]) -> Bathed:
        freedom = recall(state, ThermalFreedom).n
        size = momenta[0].numel()
        x = normal(seed, state.trajectory, state.step + 1, Stream.THERMOSTAT, (size,))
        x = torch.where(torch.arange(size, device=x.device) < freedom[:, None], x, 0.0)
        before = kinetic_energy(momenta, masses)
        # K of one degree of freedom at the temperature, in units of K now; atoms at rest stay at rest.
        share = torch.where(before > 0, 0.5 * temperature / before, 0.0)
        cross = torch.sqrt(kept * fresh * share)
        squared = kept + fresh * share * ordered_sum(x * x) + 2.0 * x[:, 0] * cross
        # Rounding may leave less than nothing.
        factor = torch.sqrt(squared.clamp(min=0.0))
        forward = x[:, 0] * torch.sqrt(fresh * share) + math.sqrt(kept) >= 0
        factor = torch.where(before > 0, torch.where(forward, factor, -factor), 1.0)
        after = momenta * factor[:, None, None]
        return Bathed(after, kinetic_energy(after, masses) - before)

    return Thermostat(act, begin)
