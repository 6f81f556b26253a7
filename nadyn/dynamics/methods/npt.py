"""Molecular dynamics on one adiabatic state at constant temperature and pressure."""

from dataclasses import dataclass, replace
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.checks.errors import InputError
from nadyn.dynamics.baths.cell_rescaling import Barostat, stretch, turned, work_on
from nadyn.dynamics.baths.thermostat import Thermostat
from nadyn.dynamics.methods.method import Drift, Method, Stepping
from nadyn.dynamics.methods.nvt import nvt_drift, thermostat_of
from nadyn.dynamics.nuclei.box import Box, begin_in_box, is_periodic
from nadyn.dynamics.nuclei.motion import drift, kick_by_force
from nadyn.dynamics.nuclei.verlet import at_new_positions
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.dynamics.state.batch import State
from nadyn.dynamics.state.energies import kinetic_energy, with_energy_of_active
from nadyn.dynamics.state.memory import recall, remember
from nadyn.dynamics.state.populations import FRACTION_OF_TRAJECTORIES, OF_ACTIVE
from nadyn.dynamics.state.random_numbers import Draws
from nadyn.dynamics.state.step import Step, finish_step, no_hops
from nadyn.dynamics.state.surplus import surplus_gap_above_active
from nadyn.electronic.committee import HasMembers
from nadyn.models.model import Model
from nadyn.units import HARTREE_PER_KELVIN

# A cell that changes by more in one step is on its way to nowhere.
_LARGEST_STRAIN = 0.3


@dataclass(frozen=True)
class Npt:
    """Choices of a run at constant temperature and pressure.

    Attributes:
        dt: Time step [au].
        masses: [electron mass].
        thermostat: What acts on the momenta in the middle of a step.
        barostat: What acts on the cell after it.
    """

    dt: float
    masses: Float[Tensor, "atom"]
    thermostat: Thermostat
    barostat: Barostat


def npt_draw(
    half_way: Drift,
    model: Model,
    draws: Draws,
    *,
    masses: Float[Tensor, "atom"],
    thermostat: Thermostat,
    barostat: Barostat,
) -> Step:
    """Return the step after its first half B A: O, the thermostat; C, the cell; A; B.

    C multiplies cell vectors and positions by exp(ε) and momenta by exp(-ε), so that new forces are needed
    once a step, at its end. The stress that drives it is that of the beginning of the step. The energy that O
    and C bring in is added up in `heat`: kinetic energy as it is, potential energy as the work V σ : ε with
    the mean of the stress before and after. The total energy minus `heat` is conserved.
    """
    before, middle, half = half_way.before, half_way.after, 0.5 * half_way.dt
    bathed = thermostat.act(before, middle.momenta)
    box = recall(before, Box)
    strain = barostat.strain(before, box, bathed.momenta)
    # NaN as well: who moves that far is stopped, and the others go on.
    sound = (strain.abs() < _LARGEST_STRAIN).all(dim=2).all(dim=1)
    strain = torch.where(sound[:, None, None], strain, 0.0)
    forth, back = stretch(strain), stretch(-strain)
    momenta = turned(bathed.momenta, back)
    paid = kinetic_energy(momenta, masses) - kinetic_energy(bathed.momenta, masses)
    scaled = remember(before, replace(box, cell=turned(box.cell, forth)))
    positions = drift(turned(middle.positions, forth), momenta, masses, dt=half)
    moved = at_new_positions(scaled, model, positions)
    moved = replace(
        moved,
        step=before.step + 1,
        momenta=kick_by_force(momenta, moved.force, dt=half),
        heat=before.heat + bathed.heat + paid + work_on(strain, box, recall(moved, Box)),
        force=torch.where(sound[:, None, None], moved.force, torch.nan),
    )
    if bathed.memory is not None:
        moved = remember(moved, bathed.memory)
    moved = with_energy_of_active(moved, masses)
    return finish_step(
        before, replace(moved, surplus_gap=surplus_gap_above_active(moved)), no_hops(before.positions.device)
    )


def npt_stepping(masses: Float[Tensor, "atom"], thermostat: Thermostat, barostat: Barostat) -> Stepping:
    """Return the method with its thermostat and barostat."""
    return Stepping(
        drift=partial(nvt_drift, masses=masses),
        draw=partial(npt_draw, masses=masses, thermostat=thermostat, barostat=barostat),
        begin=lambda state, model: thermostat.begin(begin_in_box(state, model)),
    )


def npt_step(state: State, model: Model, options: Npt) -> Step:
    """Advance a batch by one time step, see `npt_draw`."""
    stepping = npt_stepping(options.masses, options.thermostat, options.barostat)
    return stepping.whole(state, model, options.dt, Draws(0))


def _build(config: RunConfiguration, model: Model, masses: Float[Tensor, "atom"]) -> Stepping:
    thermostat = thermostat_of(config, model, masses)
    if config.barostat is None:
        raise InputError(
            "`barostat` must be given for method npt, but is missing. Try barostat: {pressure_gpa: 0}."
        )
    if not is_periodic(model):
        raise InputError(
            f"`method` npt must have a model in a cell that is periodic in all directions, but {model.name} "
            "has none. Start from a structure with a cell, `initial: {structure: start.extxyz}`, or use nvt."
        )
    if isinstance(model, HasMembers):
        raise InputError(
            f"`method` npt must have one model, but {model.name} is a committee, whose members are asked in "
            "the cell of the start. Train one, or use nvt."
        )
    barostat = config.barostat.barostat(
        dt=config.dt,
        seed=config.seed,
        masses=masses,
        temperature_kt=config.thermostat.temperature_kelvin * HARTREE_PER_KELVIN,
    )
    return npt_stepping(masses, thermostat, barostat)


NPT = Method(
    _build,
    keys=frozenset({"thermostat", "barostat"}),
    adiabatic=FRACTION_OF_TRAJECTORIES,
    diabatic=OF_ACTIVE,
    moves_coefficients=False,
    needs_two_states=False,
    other_names=("c_rescale", "crescale", "barostat", "isothermal_isobaric"),
)
