"""The methods of a run file by name."""

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from nadyn.checks.errors import InputError
from nadyn.dynamics.configuration import RunConfiguration
from nadyn.dynamics.fssh import Fssh, fssh_step
from nadyn.dynamics.nve import Nve, nve_step
from nadyn.dynamics.nvt import Nvt, nvt_step
from nadyn.dynamics.state import State
from nadyn.dynamics.step import Step
from nadyn.models.model import Model
from nadyn.units import FEMTOSECOND_PER_AU, HARTREE_PER_KELVIN

Stepper = Callable[[State, Model], Step]


@dataclass(frozen=True)
class Method:
    """How a run file becomes a time step, and how its populations are to be counted.

    Attributes:
        build: Gives the function that makes one step, from the run file, the model and the masses.
        population_estimator: Of the adiabatic populations.
        diabatic_population_estimator: Of the diabatic populations in the file.
        moves_coefficients: Whether the electronic coefficients follow Schroedinger's equation; where they do
            not, a trajectory is in its active state and nowhere else.
    """

    build: Callable[[RunConfiguration, Model, Float[Tensor, "atom"]], Stepper]
    population_estimator: str
    diabatic_population_estimator: str
    moves_coefficients: bool


def _fssh(config: RunConfiguration, model: Model, masses: Tensor) -> Stepper:
    if model.n_states < 2:
        raise InputError(
            f"`method` fssh must have a model of two states or more, but {model.name} has one. Use nve."
        )
    edc = None if config.decoherence == "none" else config.decoherence
    options = Fssh(
        dt=config.dt,
        seed=config.seed,
        masses=masses,
        rescale=config.rescale,
        frustrated=config.frustrated,
        damps=None if edc is None else edc.damps,
        energy_parameter=0.1 if edc is None else edc.energy_parameter_hartree,
    )
    return lambda state, model: fssh_step(state, model, options)


def _nve(config: RunConfiguration, model: Model, masses: Tensor) -> Stepper:
    options = Nve(dt=config.dt, masses=masses)
    return lambda state, model: nve_step(state, model, options)


def _nvt(config: RunConfiguration, model: Model, masses: Tensor) -> Stepper:
    options = Nvt(
        dt=config.dt,
        seed=config.seed,
        masses=masses,
        temperature=config.thermostat.temperature_kelvin * HARTREE_PER_KELVIN,
        friction=config.thermostat.friction_per_ps * 1e-3 * FEMTOSECOND_PER_AU,
    )
    return lambda state, model: nvt_step(state, model, options)


_FRACTION = "fraction of trajectories on each state"
_MIXED = "populations from the active state, coherences from the coefficients"
_OF_ACTIVE = "|U_da|^2 of the active state"

METHODS = {
    "fssh": Method(_fssh, _FRACTION, _MIXED, moves_coefficients=True),
    "nve": Method(_nve, _FRACTION, _OF_ACTIVE, moves_coefficients=False),
    "nvt": Method(_nvt, _FRACTION, _OF_ACTIVE, moves_coefficients=False),
}
