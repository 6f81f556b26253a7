"""Every method of a run file, with the options under which the contract is checked."""

from dataclasses import dataclass, field, replace

import pytest
from slow_cases import slow_where

from nadyn.checks.configuration import parse_configuration
from nadyn.dynamics.methods.table import METHODS, motion_of
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.models.model import Model


@dataclass(frozen=True)
class MethodCase:
    """A method and how a run file asks for it.

    Attributes:
        method: Its name.
        keys: Further keys of the run file.
        reversible: Whether motion without a hop runs back to its start, whatever the coefficients.
        two_states_only: Whether models of more states are refused.
        active_surface: Whether the force is that of the active state, so that hops must be paid for.
        start: Electronic state at the start, as in a run file.
        spins: Whether the model has singlets and triplets with spin-orbit coupling.
        shares: Whether the populations of one trajectory add up to 1; of many they do in the mean only.
    """

    method: str
    keys: dict = field(default_factory=dict)
    reversible: bool = False
    two_states_only: bool = False
    active_surface: bool = True
    shares: bool = True
    start: dict = field(default_factory=lambda: {"state": 1})
    spins: bool = False


RUBBED = {"friction": {"atoms": [0], "per_ps": 50, "temperature_kelvin": 300}}

# The other methods share one of these steps.
OTHERS_WITH_ADAPTIVE_STEPS = {
    "landau_zener": MethodCase("landau_zener"),
    "mash": MethodCase("mash", two_states_only=True, shares=False),
    "ehrenfest": MethodCase("ehrenfest", active_surface=False),
    "csdm": MethodCase("csdm", active_surface=False),
}

METHOD_CASES = {
    "nve": MethodCase("nve", reversible=True),
    "nvt": MethodCase("nvt", {"thermostat": {"temperature_kelvin": 300}}),
    "andersen": MethodCase(
        "nvt", {"thermostat": {"name": "andersen", "temperature_kelvin": 300, "collisions_per_ps": 500}}
    ),
    "nose_hoover": MethodCase("nvt", {"thermostat": {"name": "nose_hoover", "temperature_kelvin": 300}}),
    "nose_hoover each": MethodCase(
        "nvt",
        {"thermostat": {"name": "nose_hoover", "temperature_kelvin": 300, "chains": "each", "length": 4}},
    ),
    "velocity_rescaling": MethodCase(
        "nvt", {"thermostat": {"name": "velocity_rescaling", "temperature_kelvin": 300, "relaxation_fs": 5}}
    ),
    "fssh": MethodCase("fssh"),
    "fssh without decoherence": MethodCase("fssh", {"decoherence": "none"}, reversible=True),
    "gfsh": MethodCase("gfsh"),
    "dish": MethodCase("dish"),
    **OTHERS_WITH_ADAPTIVE_STEPS,
    "zhu_nakamura": MethodCase("zhu_nakamura"),
    "multistate_mash": MethodCase("multistate_mash"),
    "spin_lsc": MethodCase("spin_lsc", active_surface=False, shares=False),
    "sqc": MethodCase("sqc", active_surface=False, shares=False, start={"diabatic_state": 1}),
    "fssh with friction": MethodCase("fssh", RUBBED),
    "ehrenfest with friction": MethodCase("ehrenfest", RUBBED, active_surface=False),
    "npi": MethodCase("fssh", {"propagation": "npi", "frustrated": "reverse"}),
    "state_reordering": MethodCase("fssh", {"propagation": "state_reordering"}),
    "tdc": MethodCase("fssh", {"propagation": "tdc", "rescale": "gradient_difference"}),
    "curvature": MethodCase("fssh", {"propagation": "curvature", "frustrated": "jasper_truhlar"}),
    "sdm": MethodCase("fssh", {"decoherence": {"name": "sdm"}}),
    "after hop": MethodCase("fssh", {"decoherence": {"name": "instantaneous"}}),
    "after attempt": MethodCase("fssh", {"decoherence": {"name": "instantaneous", "after": "attempt"}}),
    "afssh": MethodCase("fssh", {"decoherence": {"name": "afssh"}}),
    "shxf": MethodCase("fssh", {"decoherence": {"name": "shxf", "width_bohr": 0.2}}),
    "spin_adiabatic": MethodCase("fssh", spins=True),
    "spin_adiabatic gfsh": MethodCase(
        "gfsh", {"decoherence": "none", "rescale": "gradient_difference"}, spins=True
    ),
    "spin_adiabatic dish": MethodCase("dish", spins=True),
    "adaptive": MethodCase(
        "fssh", {"adaptive": {"energy_ev": 1e-4, "gap_ev": 0.2, "shortest_dt_fs": 0.0625}}
    ),
    **{
        f"adaptive {name}": replace(case, keys={"adaptive": {"gap_ev": 0.5, "shortest_dt_fs": 0.125}})
        for name, case in OTHERS_WITH_ADAPTIVE_STEPS.items()
    },
    "adaptive afssh": MethodCase(
        "gfsh", {"decoherence": {"name": "afssh"}, "adaptive": {"gap_ev": 0.3, "shortest_dt_fs": 0.125}}
    ),
}

# In the default run divided steps of one method stand for those of all, and so do variants of a method.
VARIANTS = (
    "fssh without decoherence",
    "ehrenfest with friction",
    "nose_hoover each",
    "after attempt",
    "sdm",
    "spin_adiabatic gfsh",
    "spin_adiabatic dish",
)
every_method = pytest.mark.parametrize(
    "name", slow_where(lambda name: name.startswith("adaptive ") or name in VARIANTS, METHOD_CASES)
)


def configuration(case: MethodCase, **keys: object) -> RunConfiguration:
    """Return the run file of a case, for a model given as an object."""
    start = {"position_au": -4, "momentum_au": 20, "n": 3}
    content = {"initial": start, "time_fs": 50, "dt_fs": 0.25, **case.keys, "method": case.method, **keys}
    return parse_configuration(content, RunConfiguration, where="test")


def motion(case: MethodCase, model: Model, **keys: object):
    """Return the method of a case, made ready for a model."""
    config = configuration(case, **keys)
    return motion_of(config, model, model.masses)


def declaration(case: MethodCase):
    """Return what the method of a case declares."""
    return METHODS[case.method]
