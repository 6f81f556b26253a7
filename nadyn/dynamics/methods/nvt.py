"""Molecular dynamics on one adiabatic state at constant temperature, with any thermostat."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.checks.errors import InputError
from nadyn.dynamics.baths.andersen import AndersenSection, andersen
from nadyn.dynamics.baths.langevin import LangevinSection, langevin
from nadyn.dynamics.baths.nose_hoover import NoseHooverSection, nose_hoover
from nadyn.dynamics.baths.thermostat import Thermostat
from nadyn.dynamics.methods.method import Method, Motion
from nadyn.dynamics.nuclei.motion import drift, kick_by_force
from nadyn.dynamics.nuclei.verlet import at_new_positions
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.dynamics.state.batch import State
from nadyn.dynamics.state.energies import conserved_energy, larger_error
from nadyn.dynamics.state.populations import FRACTION_OF_TRAJECTORIES, OF_ACTIVE
from nadyn.dynamics.state.step import Step, no_hops
from nadyn.dynamics.state.surplus import surplus_gap_above_active
from nadyn.models.model import Model
from nadyn.units import AU_PER_FEMTOSECOND, FEMTOSECOND_PER_AU, HARTREE_PER_KELVIN


@dataclass(frozen=True)
class Nvt:
    """Choices of a run at constant temperature.

    Attributes:
        dt: Time step [au].
        masses: [electron mass].
        thermostat: What acts on the momenta in the middle of a step.
    """

    dt: float
    masses: Float[Tensor, "atom"]
    thermostat: Thermostat


def nvt_step(state: State, model: Model, options: Nvt) -> Step:
    """Advance a batch by one step with the thermostat in its middle.

    B: P + F dt/2; A: R + P/M dt/2; O: the thermostat over dt; A; B. With Langevin's this is BAOAB.
    The energy that O brings in is added up in `heat`, and the total energy minus it is conserved. The active
    states and coefficients stay; those of the start must be as `in_active_state` makes them.

    Source: B. Leimkuhler and C. Matthews, J. Chem. Phys. 138, 174102 (2013); for thermostats in general
    Z. Zhang, X. Liu, Z. Chen, H. Zheng, K. Yan and J. Liu, J. Chem. Phys. 147, 034109 (2017).
    """
    half, masses = 0.5 * options.dt, options.masses
    momenta = kick_by_force(state.momenta, state.force, dt=half)
    positions = drift(state.positions, momenta, masses, dt=half)
    bathed = options.thermostat.act(state, momenta)
    heat = state.heat + bathed.heat
    positions = drift(positions, bathed.momenta, masses, dt=half)
    moved = at_new_positions(state, model, positions)
    momenta = kick_by_force(bathed.momenta, moved.force, dt=half)
    total = conserved_energy(moved.energies, moved.active_state, momenta, masses, heat)
    moved = replace(
        moved,
        step=state.step + 1,
        momenta=momenta,
        heat=heat,
        total_energy=total,
        energy_error_max=larger_error(state, total),
        surplus_gap=surplus_gap_above_active(moved),
        extra={**moved.extra, **bathed.memory},
    )
    return Step(moved, no_hops(), torch.zeros_like(total, dtype=torch.bool))


def _build(config: RunConfiguration, model: Model, masses: Float[Tensor, "atom"]) -> Motion:
    if config.thermostat is None:
        raise InputError(
            "`thermostat` must be given for method nvt, but is missing. "
            "Try thermostat: {temperature_kelvin: 300}."
        )
    if config.friction is not None:
        raise InputError(
            "`friction` must be left out for method nvt, whose thermostat acts on every atom, but is given. "
            "Remove it, or choose method nve."
        )
    thermostat = thermostat_of(config, model, masses)
    options = Nvt(dt=config.dt, masses=masses, thermostat=thermostat)
    return Motion(
        lambda state, model: nvt_step(state, model, options), lambda state, model: thermostat.begin(state)
    )


def thermostat_of(config: RunConfiguration, model: Model, masses: Float[Tensor, "atom"]) -> Thermostat:
    """Return the `thermostat` section of a run file in atomic units."""
    section = config.thermostat
    temperature = section.temperature_kelvin * HARTREE_PER_KELVIN
    bath = {"dt": config.dt, "seed": config.seed, "masses": masses, "temperature": temperature}
    per_ps = 1e-3 * FEMTOSECOND_PER_AU
    match section:
        case LangevinSection():
            return langevin(**bath, friction=section.friction_per_ps * per_ps)
        case AndersenSection():
            return andersen(**bath, rate=section.collisions_per_ps * per_ps)
        case NoseHooverSection():
            period = section.period_fs * AU_PER_FEMTOSECOND
            chains = {"length": section.length, "chains": section.chains}
            return nose_hoover(**bath, period=period, **chains, laws=model.laws)


NVT = Method(
    _build,
    keys=frozenset({"thermostat"}),
    adiabatic=FRACTION_OF_TRAJECTORIES,
    diabatic=OF_ACTIVE,
    moves_coefficients=False,
    needs_two_states=False,
)
