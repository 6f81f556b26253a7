"""Thermostats and friction: canonical distributions of oscillators, conserved quantities, kept momenta."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from contracts.by_hand import model_by_hand

from nadyn.checks.configuration import parse_configuration
from nadyn.dynamics.baths.andersen import andersen
from nadyn.dynamics.baths.friction import Friction, with_friction
from nadyn.dynamics.baths.langevin import langevin
from nadyn.dynamics.baths.nose_hoover import ChainVariables, degrees_of_freedom, nose_hoover
from nadyn.dynamics.initial.start import start_in_state
from nadyn.dynamics.methods.nve import Nve, nve_step
from nadyn.dynamics.methods.nvt import Nvt, nvt_step
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.dynamics.state.memory import recall
from nadyn.models.model import CARTESIAN_LAWS, Evaluation
from nadyn.units import HARTREE_PER_KELVIN

sys.path.append(str(Path(__file__).parents[1] / "dynamics"))
from toy_molecule import ToyMolecule
from toy_molecule import start as toy_start

pytestmark = pytest.mark.usefixtures("unchecked_annotations")

PERIODIC = frozenset({"translation", "permutation"})
KT = 1e-3
MASSES = torch.tensor([1800.0, 20000.0], dtype=torch.float64)
CONSTANTS = torch.tensor([0.3, 0.8], dtype=torch.float64)


def oscillators():
    """Two uncoupled oscillators with periods of 487 and 993 atomic units of time."""

    def evaluate(positions):
        energy = (0.5 * CONSTANTS * positions[:, :, 0] ** 2).sum(1)
        return Evaluation(energy[:, None, None], torch.zeros_like(energy))

    return model_by_hand(evaluate, MASSES, 1)


def at_twice_the_temperature(n_traj):
    """Oscillators at rest length, each with a kinetic energy of kT: nothing about this is canonical."""
    generator = torch.Generator().manual_seed(3)
    signs = torch.sign(torch.randn(n_traj, 2, 1, dtype=torch.float64, generator=generator))
    momenta = signs * torch.sqrt(2.0 * KT * MASSES)[:, None]
    return start_in_state(oscillators(), torch.zeros_like(momenta), momenta, masses=MASSES, active_state=0)


def thermostat(name, *, dt, masses=MASSES, seed=5):
    bath = {"dt": dt, "seed": seed, "masses": masses, "temperature": KT}
    match name:
        case "langevin":
            return langevin(**bath, friction=0.004)
        case "andersen":
            return andersen(**bath, rate=0.004)
        case "one chain":
            return nose_hoover(**bath, period=500.0, chains="one", laws=frozenset())
        case "a chain for each":
            return nose_hoover(**bath, period=500.0, chains="each")


every_thermostat = pytest.mark.parametrize(
    "name", ["langevin", "andersen", pytest.param("one chain", marks=pytest.mark.slow), "a chain for each"]
)


@every_thermostat
def test_kinetic_energies_of_oscillators_have_the_canonical_mean_and_variance(name):
    model, n_traj, dt = oscillators(), 500, 12.0
    bath = thermostat(name, dt=dt)
    state, options = bath.begin(at_twice_the_temperature(n_traj)), Nvt(dt, MASSES, bath)
    samples = []
    for step in range(400):
        state = nvt_step(state, model, options).state
        if step >= 180:
            samples.append(state.momenta[:, :, 0] ** 2 / (2.0 * MASSES) / KT)
    kinetic = torch.stack(samples)
    kinetic = torch.cat([kinetic, kinetic.sum(2, keepdim=True)], dim=2)
    # Each component has the mean kT/2 and the variance (kT)^2/2; so their sum has kT and (kT)^2.
    expected = torch.tensor([0.5, 0.5, 1.0], dtype=torch.float64)
    for values in (kinetic, (kinetic - expected) ** 2):
        # Trajectories are independent, samples along one are not.
        means = values.mean(0)
        error = means.std(0) / n_traj**0.5
        assert torch.all((means.mean(0) - expected).abs() < 3 * error), (means.mean(0), error)


@every_thermostat
def test_the_conserved_quantity_is_kept_as_the_square_of_the_time_step(name):
    model, errors = oscillators(), []
    for dt in (8.0, 4.0):
        # With collisions or noise the trajectories of two time steps are different ones: many are needed.
        bath = thermostat(name, dt=dt)
        state, options = bath.begin(at_twice_the_temperature(150)), Nvt(dt, MASSES, bath)
        for _ in range(round(800 / dt)):
            state = nvt_step(state, model, options).state
        assert float(state.heat.abs().median()) > 0.1 * KT
        errors.append(float(state.energy_error_max.median()))
    assert errors[1] < 0.01 * KT
    assert 3.0 < errors[0] / errors[1] < 5.0


def calm_molecules(n_traj, axes=(1.0, 1.0, 1.0)):
    """Molecules without net and angular momentum, in space or in the plane of two axes."""
    positions, momenta = (torch.tensor(axes) * array for array in toy_start(n_traj, momentum=5.0))
    masses = ToyMolecule().masses
    weight = (masses / masses.sum())[:, None]
    r = positions - (positions * weight).sum(1, keepdim=True)
    momenta = momenta - weight * momenta.sum(1, keepdim=True)
    angular = torch.linalg.cross(r, momenta).sum(1)
    unit = torch.eye(3, dtype=torch.float64)
    inertia = (
        masses[:, None, None] * ((r**2).sum(-1)[..., None, None] * unit - r[..., None] * r[..., None, :])
    ).sum(1)
    omega = torch.linalg.solve(inertia, angular)
    return positions, momenta - masses[:, None] * torch.linalg.cross(omega[:, None].expand_as(r), r)


def test_one_chain_keeps_a_molecule_from_flying_and_spinning_and_does_not_count_that_motion():
    model = ToyMolecule(n_states=1, n_basis=1)
    positions, momenta = calm_molecules(7)
    state = start_in_state(model, positions, momenta, masses=model.masses, active_state=0)
    bath = thermostat("one chain", dt=10.0, masses=model.masses)
    free = nose_hoover(dt=10.0, seed=5, masses=model.masses, temperature=5.0 * KT, period=500.0)
    first, options = free.begin(state), Nvt(10.0, model.masses, free)
    assert recall(first, ChainVariables).freedom.tolist() == [[9.0]] * 7
    assert recall(bath.begin(state), ChainVariables).freedom.tolist() == [[15.0]] * 7
    moved = first
    for _ in range(60):
        moved = nvt_step(moved, model, options).state
    assert float(moved.heat.abs().min()) > 1e-6
    assert float(moved.momenta.sum(1).abs().max()) < 1e-9
    weight = (model.masses / model.masses.sum())[:, None]
    centre = (moved.positions * weight).sum(1, keepdim=True)
    angular = torch.linalg.cross(moved.positions - centre, moved.momenta).sum(1)
    assert float(angular.abs().max()) < 1e-8


def test_momenta_that_stay_zero_are_counted_for_each_molecule():
    positions, momenta = calm_molecules(4)
    masses = ToyMolecule().masses
    flying = momenta + 5.0 * masses[:, None] / masses.sum()
    rows = torch.stack([momenta[0], flying[1], toy_start(4)[1][2]])
    assert degrees_of_freedom(positions[:3], rows, masses, CARTESIAN_LAWS).tolist() == [9.0, 12.0, 15.0]
    assert degrees_of_freedom(positions[:3], rows, masses, PERIODIC).tolist() == [12.0, 15.0, 15.0]
    pair = torch.tensor([[[0.0, 0.0, 0.0], [0.0, 0.0, 2.0]]], dtype=torch.float64)
    along = torch.tensor([[[0.0, 0.0, -3.0], [0.0, 0.0, 3.0]]], dtype=torch.float64)
    assert degrees_of_freedom(pair, along, masses[:2], CARTESIAN_LAWS).tolist() == [1.0]
    assert degrees_of_freedom(pair, along, masses[:2], PERIODIC).tolist() == [3.0]


@pytest.mark.parametrize("flat", [0, 1, 2])
def test_the_momenta_of_a_flat_molecule_are_counted_as_those_of_any_other(flat):
    positions, momenta = calm_molecules(6, axes=[0.0 if axis == flat else 1.0 for axis in range(3)])
    masses = ToyMolecule().masses
    assert degrees_of_freedom(positions, momenta, masses, CARTESIAN_LAWS).tolist() == [9.0] * 6


def crystal():
    """Three atoms on springs of length zero: it may be moved, and is not turned as a molecule is."""

    def evaluate(positions):
        pairs = (positions[:, i] - positions[:, j] for i, j in ((0, 1), (1, 2), (0, 2)))
        energy = sum(0.005 * (pair * pair).sum(1) for pair in pairs)
        return Evaluation(energy[:, None, None], torch.zeros_like(energy))

    masses = torch.tensor([2000.0, 3000.0, 4000.0], dtype=torch.float64)
    changes = {"coordinates": "cartesian", "laws": PERIODIC, "masses": masses, "evaluate": evaluate}
    return SimpleNamespace(**{**vars(oscillators()), **changes})


def test_one_chain_gives_a_crystal_its_temperature_with_the_net_momentum_left_out():
    model, n_traj, kelvin, kt = crystal(), 240, 600.0, 600.0 * HARTREE_PER_KELVIN
    content = {
        "initial": {"sample": "thermal", "n": n_traj, "temperature_kelvin": kelvin},
        "method": "nvt",
        "dt_fs": 0.75,
        "time_fs": 280,
        "thermostat": {"name": "nose_hoover", "temperature_kelvin": kelvin, "period_fs": 60},
    }
    config = parse_configuration(content, RunConfiguration, where="test")
    bath = config.thermostat.thermostat(dt=config.dt, seed=config.seed, masses=model.masses, laws=model.laws)
    generator = torch.Generator().manual_seed(1)
    noise, positions = torch.randn(2, n_traj, 3, 3, dtype=torch.float64, generator=generator)
    momenta = noise * torch.sqrt(model.masses * kt)[:, None]
    momenta = momenta - momenta.sum(1, keepdim=True) * (model.masses / model.masses.sum())[:, None]
    state = start_in_state(model, 0.3 * positions, momenta, masses=model.masses, active_state=0)
    state, options, samples = bath.begin(state), Nvt(config.dt, model.masses, bath), []
    for step in range(config.n_steps):
        state = nvt_step(state, model, options).state
        if step >= 150:
            samples.append((state.momenta**2 / model.masses[:, None]).sum((1, 2)))
    assert float(state.momenta.sum(1).abs().max()) < 1e-9
    # The angular momentum of a crystal is not kept: 3N - 3 components share the heat. About 56 steps in the
    # fastest period keep the error of the momenta at a step, (omega dt)^2 / 4, below the statistical one.
    temperature = torch.stack(samples).mean(0) / 6.0 / kt
    assert abs(float(temperature.mean()) - 1.0) < 3 * float(temperature.std()) / n_traj**0.5


def rubbed(state, *, temperature, n_steps, dt=8.0, rate=0.0005):
    """Motion at constant energy with friction on the first oscillator."""
    model, nve = oscillators(), Nve(dt, MASSES)
    friction = Friction(dt, 3, MASSES, torch.tensor([0]), temperature, rate)
    step = with_friction(lambda state, model: nve_step(state, model, nve), friction)
    states = [state]
    for _ in range(n_steps):
        states.append(step(states[-1], model).state)
    return states


def test_friction_takes_energy_from_the_chosen_atoms_only_at_its_rate_and_books_it():
    start = at_twice_the_temperature(5)
    states = rubbed(start, temperature=0.0, n_steps=300)
    energies = torch.stack(
        [
            (s.momenta**2 / (2 * MASSES[:, None]) + 0.5 * CONSTANTS[:, None] * s.positions**2)[..., 0]
            for s in states
        ]
    )
    # An underdamped oscillator loses energy as exp(-rate t), up to a part rate/omega of it.
    expected = KT * np.exp(-0.0005 * 8.0 * np.arange(301))
    assert np.abs(energies[:, :, 0].numpy() / expected[:, None] - 1.0).max() < 0.06
    alone, model = start, oscillators()
    for _ in range(300):
        alone = nve_step(alone, model, Nve(8.0, MASSES)).state
    assert torch.equal(states[-1].momenta[:, 1], alone.momenta[:, 1])
    lost = energies[-1].sum(1) - energies[0].sum(1)
    torch.testing.assert_close(states[-1].heat, lost, rtol=0.01, atol=0.0)
    assert float(states[-1].energy_error_max.max()) < 0.01 * KT


def test_friction_brings_the_chosen_atoms_to_its_temperature():
    n_traj = 300
    states = rubbed(at_twice_the_temperature(n_traj), temperature=2.0 * KT, n_steps=500, rate=0.004)
    kinetic = torch.stack([s.momenta[:, 0, 0] ** 2 / (2.0 * MASSES[0]) / KT for s in states[150:]]).mean(0)
    assert abs(float(kinetic.mean()) - 1.0) < 3 * float(kinetic.std()) / n_traj**0.5


@pytest.mark.parametrize("n_atoms", [20, 80])
def test_the_heat_of_free_atoms_comes_and_goes_with_the_period_of_the_chain_whatever_their_number(n_atoms):
    masses = torch.full((n_atoms,), 1800.0, dtype=torch.float64)

    def evaluate(positions):
        energy = 0.0 * positions[:, :, 0].sum(1)
        return Evaluation(energy[:, None, None], torch.zeros_like(energy))

    model, dt, period = model_by_hand(evaluate, masses, 1), 5.0, 500.0
    momenta = torch.sqrt(KT * masses).expand(50, n_atoms)[:, :, None]
    state = start_in_state(model, torch.zeros_like(momenta), momenta, masses=masses, active_state=0)
    options = {"seed": 5, "temperature": KT, "period": period, "chains": "one", "laws": frozenset()}
    bath = nose_hoover(dt=dt, masses=masses, **options)
    state, choices, heat = bath.begin(state), Nvt(dt, masses, bath), []
    for _ in range(150):
        state = nvt_step(state, model, choices).state
        heat.append((state.momenta**2 / masses[:, None]).mean((1, 2)) / KT - 1.0)
    # Small swings of dp/dt = -ξ p, Q dξ/dt = 2 K - f kT with Q = f kT (period/2π)² have the period/√2:
    # zero is passed 4 times after the start. Large ones are slower, and each count is a whole number.
    heat = torch.stack(heat)
    crossings = (heat[1:] * heat[:-1] < 0).sum(0).double()
    assert 3.3 < float(crossings.mean()) < 4.5
