"""Molecular dynamics on one adiabatic state at constant energy."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.dynamics.methods.method import Method, Motion
from nadyn.dynamics.nuclei.verlet import verlet
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.dynamics.state.batch import State
from nadyn.dynamics.state.energies import conserved_energy, larger_error
from nadyn.dynamics.state.populations import FRACTION_OF_TRAJECTORIES, OF_ACTIVE
from nadyn.dynamics.state.step import Step, no_hops
from nadyn.dynamics.state.surplus import surplus_gap_above_active
from nadyn.models.model import Model


@dataclass(frozen=True)
class Nve:
    """Time step [au] and masses [electron mass]."""

    dt: float
    masses: Float[Tensor, "atom"]


def nve_step(state: State, model: Model, options: Nve) -> Step:
    """Advance a batch by one step of velocity Verlet; the active states and coefficients stay.

    The coefficients of the start must be those of `in_active_state`.
    """
    moved = verlet(state, model, masses=options.masses, dt=options.dt)
    total = conserved_energy(moved.energies, moved.active_state, moved.momenta, options.masses, moved.heat)
    moved = replace(
        moved,
        total_energy=total,
        energy_error_max=larger_error(state, total),
        surplus_gap=surplus_gap_above_active(moved),
    )
    return Step(moved, no_hops(), torch.zeros_like(total, dtype=torch.bool))


def _build(config: RunConfiguration, model: Model, masses: Float[Tensor, "atom"]) -> Motion:
    options = Nve(dt=config.dt, masses=masses)
    return Motion(lambda state, model: nve_step(state, model, options))


NVE = Method(
    _build,
    keys=frozenset(),
    adiabatic=FRACTION_OF_TRAJECTORIES,
    diabatic=OF_ACTIVE,
    moves_coefficients=False,
    needs_two_states=False,
)
