"""Molecular dynamics on one adiabatic state at constant energy."""

from dataclasses import dataclass, replace
from functools import partial

from jaxtyping import Float
from torch import Tensor

from nadyn.dynamics.methods.method import Drift, Method, Stepping
from nadyn.dynamics.nuclei.box import begin_in_box
from nadyn.dynamics.nuclei.verlet import verlet
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.dynamics.state.batch import State
from nadyn.dynamics.state.energies import with_energy_of_active
from nadyn.dynamics.state.populations import FRACTION_OF_TRAJECTORIES, OF_ACTIVE
from nadyn.dynamics.state.random_numbers import Draws
from nadyn.dynamics.state.step import Step
from nadyn.dynamics.state.surplus import surplus_gap_above_active
from nadyn.models.model import Model


@dataclass(frozen=True)
class Nve:
    """Time step [au] and masses [electron mass]."""

    dt: float
    masses: Float[Tensor, "atom"]


def nve_drift(state: State, model: Model, dt: float, *, masses: Float[Tensor, "atom"]) -> Drift:
    """Return one step of velocity Verlet, which is all; the active states and coefficients stay.

    The coefficients of the start must be those of `in_active_state`.
    """
    after = with_energy_of_active(verlet(state, model, masses=masses, dt=dt), masses)
    return Drift(state, replace(after, surplus_gap=surplus_gap_above_active(after)), dt)


def nve_step(state: State, model: Model, options: Nve) -> Step:
    """Advance a batch by one time step, see `nve_drift`."""
    stepping = Stepping(partial(nve_drift, masses=options.masses))
    return stepping.whole(state, model, options.dt, Draws(0))


def _build(config: RunConfiguration, model: Model, masses: Float[Tensor, "atom"]) -> Stepping:
    return Stepping(partial(nve_drift, masses=masses), begin=begin_in_box)


NVE = Method(
    _build,
    keys=frozenset(),
    adiabatic=FRACTION_OF_TRAJECTORIES,
    diabatic=OF_ACTIVE,
    moves_coefficients=False,
    needs_two_states=False,
    other_names=("md", "bomd", "adiabatic", "verlet", "velocity_verlet"),
)
