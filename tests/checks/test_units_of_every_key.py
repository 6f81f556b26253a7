"""Every key of a run or training file that has a unit, as the number that the program computes with."""

import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

import pytest
import torch
from contracts.by_hand import model_by_hand
from contracts.committees import committee
from pydantic import BaseModel

from nadyn.checks.configuration import parse_configuration
from nadyn.dynamics.baths import andersen, cell_rescaling, langevin, nose_hoover, velocity_rescaling
from nadyn.dynamics.baths.friction import friction_of
from nadyn.dynamics.decoherence import energy_based, exact_factorisation
from nadyn.dynamics.decoherence.table import decoherence_of
from nadyn.dynamics.initial.wigner import mode_energies
from nadyn.dynamics.methods import csdm, dish
from nadyn.dynamics.methods.adaptive import division_of
from nadyn.dynamics.methods.needs import wanted_of
from nadyn.dynamics.methods.representation_of import pulse_of
from nadyn.dynamics.methods.table import METHODS
from nadyn.dynamics.run.endings import limits_of
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.interfaces import direct_run, label_desk
from nadyn.models.model import Evaluation
from nadyn.training import build, stages, step
from nadyn.training.configuration import TrainingConfiguration
from nadyn.training.samples import samples_from_group

sys.path.append(str(Path(__file__).parents[1] / "training"))
from teacher import dataset

pytestmark = pytest.mark.usefixtures("unchecked_annotations")

# CODATA 2018, written down here once more: nothing of nadyn.units is used.
FEMTOSECOND, EV, ANGSTROM, KELVIN = 41.341373335, 1 / 27.211386246, 1 / 0.529177211, 3.166811563e-6
PER_PS = 1 / (1000 * FEMTOSECOND)
# One hartree/bohr³.
GIGAPASCAL = 29421.0157
MASSES = torch.tensor([1836.0, 3000.0], dtype=torch.float64)
UNIT = re.compile(r"_(fs|ps|gpa|ev|ev_per_angstrom|angstrom|kelvin|bohr|hartree|au|rad|minutes)$|per_ps$")


def run_file(**keys):
    content = {"initial": {"position_au": 0, "momentum_au": 1, "n": 1}, "method": "fssh", "time_fs": 10}
    return parse_configuration({**content, **keys}, RunConfiguration, where="test")


def training_file(**keys):
    return parse_configuration(keys, TrainingConfiguration, where="test")


class Told:
    """In place of a function: remembers what it was called with."""

    def __call__(self, *arguments, **keys):
        self.keys = keys
        return "made"


def thermostat(module, name, patch, **keys):
    told = Told()
    patch.setattr(module, name, told)
    config = run_file(method="nvt", thermostat={"name": name, **keys})
    config.thermostat.thermostat(dt=config.dt, seed=1, masses=MASSES, laws=frozenset())
    return told.keys


def barostat(patch, **keys):
    told = Told()
    patch.setattr(cell_rescaling, "cell_rescaling", told)
    config = run_file(method="npt", thermostat={"temperature_kelvin": 300}, barostat=keys)
    config.barostat.barostat(dt=config.dt, seed=1, masses=MASSES, temperature_kt=300 * KELVIN)
    return told.keys


def decoherence(name, patch, **keys):
    told = Told()
    module, made_by = {
        "edc": (energy_based, "edc"),
        "sdm": (energy_based, "edc"),
        "shxf": (exact_factorisation, "exact_factorisation"),
    }[name]
    patch.setattr(module, made_by, told)
    decoherence_of(run_file(decoherence={"name": name, **keys}).decoherence)
    return told.keys


def pulse(**keys):
    needed = {"photon_energy_ev": 2.0, "fwhm_fs": 3.0, "centre_fs": 4.0, "peak_field_au": 0.01}
    return pulse_of(run_file(laser={**needed, "polarisation": [0, 0, 1], **keys}).laser)


def limits(**keys):
    model = model_by_hand(
        lambda x: Evaluation(torch.zeros(len(x), 2, 2).double(), torch.zeros(len(x)).double()), MASSES, 2
    )
    return limits_of(run_file(**keys), model)


def spreads(**keys):
    return limits_of(run_file(stop=keys), committee(2)).spreads


def rubbed(**keys):
    needed = {"atoms": [0], "per_ps": 3.0, "temperature_kelvin": 5.0}
    section = run_file(friction={**needed, **keys}).friction
    return friction_of(section, dt=1.0, seed=1, masses=MASSES)


def asked(patch, **keys):
    told = Told()
    patch.setattr(label_desk, "PoolDesk", told)
    patch.setattr(direct_run, "_atomic_numbers", lambda config: (1, 1))
    direct_run.desk_of(
        run_file(model={"pyscf": {"method": "sa2-casscf(2,2)/sto-3g"}}, labels={"processes": 1, **keys}),
        Path(),
    )
    return told.keys


def pointer(patch, **keys):
    told = Told()
    patch.setattr(csdm, "Csdm", told)
    with pytest.raises(AttributeError):
        csdm.CSDM.build(run_file(method="csdm", options=keys), None, MASSES)
    return told.keys


def dephased(patch, **keys):
    told = Told()
    patch.setattr(dish, "Dish", told)
    patch.setattr(dish, "dish_stepping", lambda options: options)
    patch.setattr(dish, "representation_of", lambda *arguments: None)
    dish.DISH.build(run_file(method="dish", options=keys), None, MASSES)
    return told.keys


def network(**keys):
    data = dataset(3, couplings=False)
    samples = tuple(samples_from_group(group) for group in data.groups)
    elements = build.elements_of(data)
    shortest = build.shortest_distances(data, elements)
    return build.build_network(training_file(**keys), samples, shortest, elements)


def started(**keys):
    return run_file(initial={"position_au": 0, "momentum_au": 1, "n": 1, **keys}).initial


# key -> a value, what the program makes of it, and what that must be; `p` is pytest's monkeypatch.
RUN = {
    "labels.timeout_minutes": (lambda patch: asked(patch, timeout_minutes=3.0)["timeout_seconds"], 180.0),
    "dt_fs": (lambda p: run_file(dt_fs=0.7).dt, 0.7 * FEMTOSECOND),
    "time_fs": (lambda p: run_file(dt_fs=0.5, time_fs=9.0, write_every=1).n_steps, 18),
    "max_energy_step_ev": (lambda p: limits(max_energy_step_ev=0.6).max_energy_step, 0.6 * EV),
    "stop.jump_ev": (
        lambda p: wanted_of(run_file(stop={"jump_ev": 0.25}), METHODS["fssh"]).largest_jump,
        0.25 * EV,
    ),
    "adaptive.energy_ev": (lambda p: division_of(run_file(adaptive={"energy_ev": 0.3})).energy, 0.3 * EV),
    "adaptive.gap_ev": (lambda p: division_of(run_file(adaptive={"gap_ev": 0.3})).gap, 0.3 * EV),
    "adaptive.shortest_dt_fs": (
        lambda p: division_of(run_file(dt_fs=0.8, adaptive={"shortest_dt_fs": 0.1})).halvings,
        3,
    ),
    "friction.per_ps": (lambda p: rubbed(per_ps=7.0).rate, 7 * PER_PS),
    "friction.temperature_kelvin": (lambda p: rubbed(temperature_kelvin=250).temperature, 250 * KELVIN),
    "laser.photon_energy_ev": (lambda p: pulse(photon_energy_ev=3.0).frequency, 3 * EV),
    "laser.fwhm_fs": (lambda p: pulse(fwhm_fs=5.0).fwhm, 5 * FEMTOSECOND),
    "laser.centre_fs": (lambda p: pulse(centre_fs=6.0).centre, 6 * FEMTOSECOND),
    "laser.bandwidth_ev": (lambda p: pulse(bandwidth_ev=0.5).bandwidth, 0.5 * EV),
    "laser.peak_field_au": (lambda p: pulse(peak_field_au=0.02).peak_field, 0.02),
    "laser.phase_rad": (lambda p: pulse(phase_rad=0.3).phase, 0.3),
    "thermostat.langevin.temperature_kelvin": (
        lambda p: thermostat(langevin, "langevin", p, temperature_kelvin=300)["temperature"],
        300 * KELVIN,
    ),
    "thermostat.langevin.friction_per_ps": (
        lambda p: thermostat(langevin, "langevin", p, temperature_kelvin=9, friction_per_ps=4)["friction"],
        4 * PER_PS,
    ),
    "thermostat.andersen.temperature_kelvin": (
        lambda p: thermostat(andersen, "andersen", p, temperature_kelvin=300)["temperature"],
        300 * KELVIN,
    ),
    "thermostat.andersen.collisions_per_ps": (
        lambda p: thermostat(andersen, "andersen", p, temperature_kelvin=9, collisions_per_ps=4)["rate"],
        4 * PER_PS,
    ),
    "thermostat.nose_hoover.temperature_kelvin": (
        lambda p: thermostat(nose_hoover, "nose_hoover", p, temperature_kelvin=300)["temperature"],
        300 * KELVIN,
    ),
    "thermostat.nose_hoover.period_fs": (
        lambda p: thermostat(nose_hoover, "nose_hoover", p, temperature_kelvin=9, period_fs=30)["period"],
        30 * FEMTOSECOND,
    ),
    "thermostat.velocity_rescaling.temperature_kelvin": (
        lambda p: thermostat(velocity_rescaling, "velocity_rescaling", p, temperature_kelvin=300)[
            "temperature"
        ],
        300 * KELVIN,
    ),
    "thermostat.velocity_rescaling.relaxation_fs": (
        lambda p: thermostat(
            velocity_rescaling, "velocity_rescaling", p, temperature_kelvin=9, relaxation_fs=30
        )["relaxation"],
        30 * FEMTOSECOND,
    ),
    "barostat.pressure_gpa": (lambda p: barostat(p, pressure_gpa=2)["pressure"], 2 / GIGAPASCAL),
    "barostat.relaxation_ps": (
        lambda p: barostat(p, relaxation_ps=0.5)["relaxation"],
        500 * FEMTOSECOND,
    ),
    "barostat.compressibility_per_gpa": (
        lambda p: barostat(p, compressibility_per_gpa=0.1)["compressibility"],
        0.1 * GIGAPASCAL,
    ),
    "decoherence.edc.energy_parameter_hartree": (
        lambda p: decoherence("edc", p, energy_parameter_hartree=0.2)["energy_parameter"],
        0.2,
    ),
    "decoherence.sdm.energy_parameter_hartree": (
        lambda p: decoherence("sdm", p, energy_parameter_hartree=0.2)["energy_parameter"],
        0.2,
    ),
    "decoherence.shxf.width_bohr": (lambda p: decoherence("shxf", p, width_bohr=0.4)["width"], 0.4),
    "options.csdm.energy_hartree": (lambda p: pointer(p, energy_hartree=0.3)["energy"], 0.3),
    "options.dish.dephasing_fs": (
        lambda p: dephased(p, dephasing_fs=12)["dephasing"],
        12 * FEMTOSECOND,
    ),
    "options.dish.energy_parameter_hartree": (
        lambda p: dephased(p, energy_parameter_hartree=0.2)["energy_parameter"],
        0.2,
    ),
    "stop.beyond_au": (lambda p: limits(stop={"beyond_au": 11.0}).beyond, 11.0),
    "stop.lowest_state_fs": (
        lambda p: 0.25 * limits(dt_fs=0.25, stop={"lowest_state_fs": 3.0}).steps_on_lowest,
        3.0,
    ),
    "stop.energy_spread_ev": (lambda p: spreads(energy_spread_ev=0.4).energy, 0.4 * EV),
    "stop.gap_spread_ev": (lambda p: spreads(gap_spread_ev=0.4).gap, 0.4 * EV),
    "stop.force_spread_ev_per_angstrom": (
        lambda p: spreads(force_spread_ev_per_angstrom=0.4).force,
        0.4 * EV / ANGSTROM,
    ),
    "initial.position_au": (lambda p: started(position_au=-3).position_au, -3.0),
    "initial.momentum_au": (lambda p: started(momentum_au=4).momentum_au, 4.0),
    "initial.width_au": (lambda p: started(width_au=0.6).width_au, 0.6),
    "initial.temperature_kelvin": (
        lambda p: float(
            mode_energies(torch.ones(1).double().numpy(), distribution="thermal", temperature_kelvin=200)[0]
        ),
        200 * KELVIN,
    ),
}
TRAINING = {
    "time_limit_minutes": (
        lambda p: stages._length(SimpleNamespace(configuration=training_file(time_limit_minutes=3))).seconds,
        180.0,
    ),
    "encoder.cutoff_angstrom": (
        lambda p: network(encoder={"cutoff_angstrom": 5.0}).network.cutoff,
        5 * ANGSTROM,
    ),
    "encoder.smear_angstrom": (
        lambda p: network(encoder={"name": "soap", "smear_angstrom": 0.7}).network.encoder.settings.smear,
        0.7 * ANGSTROM,
    ),
    "label_noise.energy_ev": (
        lambda p: step.given_noise(training_file(label_noise={"energy_ev": 0.2}))["energy"],
        0.2 * EV,
    ),
    "label_noise.force_ev_per_angstrom": (
        lambda p: step.given_noise(training_file(label_noise={"force_ev_per_angstrom": 0.2}))["force"],
        0.2 * EV / ANGSTROM,
    ),
    "label_noise.coupling_ev_per_angstrom": (
        lambda p: step.given_noise(training_file(label_noise={"coupling_ev_per_angstrom": 0.2}))["coupling"],
        0.2 * EV / ANGSTROM,
    ),
    "label_noise.diabatic_ev": (
        lambda p: step.given_noise(training_file(label_noise={"diabatic_ev": 0.2}))["diabatic"],
        0.2 * EV,
    ),
    "label_noise.stress_gpa": (
        lambda p: step.given_noise(training_file(label_noise={"stress_gpa": 0.2}))["stress"],
        0.2 / GIGAPASCAL,
    ),
}


@pytest.mark.parametrize("key", RUN)
def test_a_key_of_a_run_file_is_taken_in_its_unit(key, monkeypatch):
    made, expected = RUN[key]
    assert made(monkeypatch) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("key", TRAINING)
def test_a_key_of_a_training_file_is_taken_in_its_unit(key, monkeypatch):
    made, expected = TRAINING[key]
    assert made(monkeypatch) == pytest.approx(expected, rel=1e-8)


def keys_with_units(model, place=""):
    """Names of all keys of a file whose name ends in a unit, sections included."""
    found = set()
    for name, field in model.model_fields.items():
        if UNIT.search(name):
            found.add(place + name)
        found |= {key for section in sections(field.annotation) for key in in_section(section, place + name)}
    return found


def sections(annotation):
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [section for part in get_args(annotation) for section in sections(part)]


def in_section(section, name):
    label = section.model_fields["name"].annotation if "name" in section.model_fields else None
    kind = f".{get_args(label)[0]}" if label is not None and name in ("thermostat", "decoherence") else ""
    return keys_with_units(section, f"{name}{kind}.")


def test_every_key_with_a_unit_is_looked_at():
    options = {
        key for name, method in METHODS.items() for key in keys_with_units(method.options, f"options.{name}.")
    }
    assert keys_with_units(RunConfiguration) | options == set(RUN)
    assert keys_with_units(TrainingConfiguration) == set(TRAINING)
