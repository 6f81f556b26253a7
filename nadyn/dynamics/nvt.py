"""Molecular dynamics on one adiabatic state at constant temperature, by Langevin's equation."""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.checks.errors import InputError
from nadyn.dynamics.configuration import RunConfiguration
from nadyn.dynamics.method import Method, Motion
from nadyn.dynamics.nuclei import drift, kick_by_force, kinetic_energy
from nadyn.dynamics.populations import FRACTION_OF_TRAJECTORIES, OF_ACTIVE
from nadyn.dynamics.random_numbers import Stream, normal
from nadyn.dynamics.state import State
from nadyn.dynamics.step import Step, conserved_energy, larger_error, no_hops, surplus_gap_above_active
from nadyn.dynamics.verlet import at_new_positions
from nadyn.models.model import Model
from nadyn.units import FEMTOSECOND_PER_AU, HARTREE_PER_KELVIN


@dataclass(frozen=True)
class Nvt:
    """Choices of a Langevin run.

    Attributes:
        dt: Time step [au].
        seed: Seed of the random force.
        masses: [electron mass].
        temperature: k T [hartree].
        friction: [1/au of time].
    """

    dt: float
    seed: int
    masses: Float[Tensor, "atom"]
    temperature: float
    friction: float


def nvt_step(state: State, model: Model, options: Nvt) -> Step:
    """Advance a batch by one step of the splitting BAOAB.

    B: P + F dt/2; A: R + P/M dt/2; O: P exp(-g dt) + sqrt[(1 - exp(-2 g dt)) M k T] xi; A; B.
    The energy that O brings in is added up in `heat`, and the total energy minus it is conserved. All
    3N degrees of freedom are thermal, translation and rotation included. The active states and coefficients
    stay; those of the start must be as `in_active_state` makes them.

    Source: B. Leimkuhler and C. Matthews, J. Chem. Phys. 138, 174102 (2013).
    """
    half, masses = 0.5 * options.dt, options.masses
    momenta = kick_by_force(state.momenta, state.force, dt=half)
    positions = drift(state.positions, momenta, masses, dt=half)
    kept = math.exp(-options.friction * options.dt)
    width = torch.sqrt(masses * (options.temperature * -math.expm1(-2.0 * options.friction * options.dt)))
    noise = normal(
        options.seed, state.trajectory, state.step + 1, Stream.THERMOSTAT, tuple(momenta.shape[1:])
    )
    before = kinetic_energy(momenta, masses)
    momenta = momenta * kept + noise * width[:, None]
    heat = state.heat + (kinetic_energy(momenta, masses) - before)
    positions = drift(positions, momenta, masses, dt=half)
    moved = at_new_positions(state, model, positions)
    momenta = kick_by_force(momenta, moved.force, dt=half)
    total = conserved_energy(moved.energies, moved.active_state, momenta, masses, heat)
    moved = replace(
        moved,
        step=state.step + 1,
        momenta=momenta,
        heat=heat,
        total_energy=total,
        energy_error_max=larger_error(state, total),
        surplus_gap=surplus_gap_above_active(moved),
    )
    return Step(moved, no_hops(), torch.zeros_like(total, dtype=torch.bool))


def _build(config: RunConfiguration, model: Model, masses: Float[Tensor, "atom"]) -> Motion:
    if config.thermostat is None:
        raise InputError(
            "`thermostat` must be given for method nvt, but is missing. "
            "Try thermostat: {temperature_kelvin: 300}."
        )
    options = Nvt(
        dt=config.dt,
        seed=config.seed,
        masses=masses,
        temperature=config.thermostat.temperature_kelvin * HARTREE_PER_KELVIN,
        friction=config.thermostat.friction_per_ps * 1e-3 * FEMTOSECOND_PER_AU,
    )
    return Motion(lambda state, model: nvt_step(state, model, options))


NVT = Method(
    _build,
    keys=frozenset({"thermostat"}),
    adiabatic=FRACTION_OF_TRAJECTORIES,
    diabatic=OF_ACTIVE,
    moves_coefficients=False,
    needs_two_states=False,
)
