"""Molecular dynamics on one adiabatic state at constant temperature, with any thermostat."""

from dataclasses import dataclass, replace
from functools import partial

from jaxtyping import Float
from torch import Tensor

from nadyn.checks.errors import InputError
from nadyn.dynamics.baths.thermostat import Thermostat
from nadyn.dynamics.methods.method import Drift, Method, Stepping
from nadyn.dynamics.nuclei.box import begin_in_box
from nadyn.dynamics.nuclei.motion import drift, kick_by_force
from nadyn.dynamics.nuclei.verlet import at_new_positions
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.dynamics.state.batch import State
from nadyn.dynamics.state.energies import with_energy_of_active
from nadyn.dynamics.state.memory import remember
from nadyn.dynamics.state.populations import FRACTION_OF_TRAJECTORIES, OF_ACTIVE
from nadyn.dynamics.state.random_numbers import Draws
from nadyn.dynamics.state.step import Step, finish_step, no_hops
from nadyn.dynamics.state.surplus import surplus_gap_above_active
from nadyn.models.model import Model


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


def nvt_drift(state: State, model: Model, dt: float, *, masses: Float[Tensor, "atom"]) -> Drift:
    """Return a step up to its thermostat: B: P + F dt/2; A: R + P/M dt/2."""
    momenta = kick_by_force(state.momenta, state.force, dt=0.5 * dt)
    positions = drift(state.positions, momenta, masses, dt=0.5 * dt)
    return Drift(state, replace(state, positions=positions, momenta=momenta), dt)


def nvt_draw(
    half_way: Drift, model: Model, draws: Draws, *, masses: Float[Tensor, "atom"], thermostat: Thermostat
) -> Step:
    """Return the step after its first half; O: the thermostat over dt; A; B. With Langevin's this is BAOAB.

    The energy that O brings in is added up in `heat`, and the total energy minus it is conserved. The active
    states and coefficients stay; those of the start must be as `in_active_state` makes them.

    Source: B. Leimkuhler and C. Matthews, J. Chem. Phys. 138, 174102 (2013); for thermostats in general
    Z. Zhang, X. Liu, Z. Chen, H. Zheng, K. Yan and J. Liu, J. Chem. Phys. 147, 034109 (2017).
    """
    before, middle, half = half_way.before, half_way.after, 0.5 * half_way.dt
    bathed = thermostat.act(before, middle.momenta)
    moved = at_new_positions(before, model, drift(middle.positions, bathed.momenta, masses, dt=half))
    moved = replace(
        moved,
        step=before.step + 1,
        momenta=kick_by_force(bathed.momenta, moved.force, dt=half),
        heat=before.heat + bathed.heat,
    )
    if bathed.memory is not None:
        moved = remember(moved, bathed.memory)
    moved = with_energy_of_active(moved, masses)
    return finish_step(
        before, replace(moved, surplus_gap=surplus_gap_above_active(moved)), no_hops(moved.positions.device)
    )


def nvt_stepping(masses: Float[Tensor, "atom"], thermostat: Thermostat) -> Stepping:
    """Return the method with its thermostat."""
    return Stepping(
        drift=partial(nvt_drift, masses=masses),
        draw=partial(nvt_draw, masses=masses, thermostat=thermostat),
        begin=lambda state, model: thermostat.begin(begin_in_box(state, model)),
    )


def nvt_step(state: State, model: Model, options: Nvt) -> Step:
    """Advance a batch by one time step, see `nvt_draw`."""
    stepping = nvt_stepping(options.masses, options.thermostat)
    return stepping.whole(state, model, options.dt, Draws(0))


def thermostat_of(config: RunConfiguration, model: Model, masses: Float[Tensor, "atom"]) -> Thermostat:
    """Return the thermostat of a run file.

    Raises:
        InputError: There is none, or friction beside it.
    """
    if config.thermostat is None:
        raise InputError(
            f"`thermostat` must be given for method {config.method}, but is missing. "
            "Try thermostat: {temperature_kelvin: 300}."
        )
    if config.friction is not None:
        raise InputError(
            f"`friction` must be left out for method {config.method}, whose thermostat acts on every atom, "
            "but is given. Remove it, or choose method nve."
        )
    return config.thermostat.thermostat(dt=config.dt, seed=config.seed, masses=masses, laws=model.laws)


def _build(config: RunConfiguration, model: Model, masses: Float[Tensor, "atom"]) -> Stepping:
    return nvt_stepping(masses, thermostat_of(config, model, masses))


NVT = Method(
    _build,
    keys=frozenset({"thermostat"}),
    adiabatic=FRACTION_OF_TRAJECTORIES,
    diabatic=OF_ACTIVE,
    moves_coefficients=False,
    needs_two_states=False,
    other_names=("langevin",),
)
