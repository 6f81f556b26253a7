"""Langevin dynamics: temperature and energy of harmonic oscillators."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch

from nadyn.dynamics.baths.langevin import langevin
from nadyn.dynamics.initial.start import start_in_state
from nadyn.dynamics.methods.nvt import Nvt, nvt_step
from nadyn.models.model import Coordinates, Evaluation
from nadyn.units import HARTREE_PER_KELVIN

pytestmark = pytest.mark.usefixtures("unchecked_annotations")


@dataclass(frozen=True)
class Oscillators:
    """Two independent oscillators on one surface, of different mass and frequency."""

    name: ClassVar[str] = "oscillators"
    coordinates: ClassVar[Coordinates] = "generalised"
    laws: ClassVar[frozenset[str]] = frozenset()
    n_states: ClassVar[int] = 1
    n_basis: ClassVar[int] = 1
    atomic_numbers: ClassVar[None] = None
    fixed_diabatic_basis: ClassVar[bool] = True
    block_width: ClassVar[int] = 512
    shortest_distances: ClassVar[None] = None
    masses: ClassVar[torch.Tensor] = torch.tensor([1800.0, 20000.0], dtype=torch.float64)
    constants: ClassVar[torch.Tensor] = torch.tensor([0.3, 0.1], dtype=torch.float64)

    def evaluate(self, positions):
        energy = (0.5 * self.constants * positions[:, :, 0] ** 2).sum(1)
        return Evaluation(energy[:, None, None], torch.zeros_like(energy))


def with_langevin(model, *, dt, temperature, friction):
    bath = {"temperature": temperature, "friction": friction}
    return Nvt(dt, model.masses, langevin(dt=dt, seed=5, masses=model.masses, **bath))


def test_every_oscillator_takes_the_temperature_of_the_bath():
    model, n_traj, kt = Oscillators(), 500, 300.0 * HARTREE_PER_KELVIN
    zero = torch.zeros(n_traj, 2, 1, dtype=torch.float64)
    state = start_in_state(model, zero, zero, masses=model.masses, active_state=0)
    options = with_langevin(model, dt=20.0, temperature=kt, friction=0.004)
    samples = []
    for step in range(450):
        state = nvt_step(state, model, options).state
        if step >= 150:
            kinetic = state.momenta[:, :, 0] ** 2 / (2 * model.masses)
            potential = 0.5 * model.constants * state.positions[:, :, 0] ** 2
            samples.append(torch.stack([kinetic, potential], dim=-1))
    # Trajectories are independent, samples along one are not: the error comes from the means of trajectories.
    means = torch.stack(samples).mean(0).numpy()
    expected = 0.5 * kt
    error = means.std(0, ddof=1) / np.sqrt(n_traj)
    # BAOAB is exact for harmonic positions, and low by a part (w dt)^2/4 in the momenta.
    shift = np.stack([(model.constants / model.masses).numpy() * 20.0**2 / 4, np.zeros(2)], axis=-1)
    assert np.all(np.abs(means.mean(0) - expected * (1 - shift)) < 3 * error)


def test_energy_minus_heat_is_conserved_better_than_the_heat_is_large():
    model = Oscillators()
    zero = torch.zeros(7, 2, 1, dtype=torch.float64)
    errors = []
    for dt, n_steps in ((10.0, 100), (5.0, 200)):
        state = start_in_state(model, zero, zero, masses=model.masses, active_state=0)
        options = with_langevin(model, dt=dt, temperature=1e-3, friction=0.002)
        for _ in range(n_steps):
            state = nvt_step(state, model, options).state
        assert state.heat.abs().min() > 1e-4
        errors.append(state.energy_error_max.mean().item())
    assert errors[0] < 2e-4
    assert errors[0] / errors[1] > 2.5


def test_without_friction_it_is_velocity_verlet_in_energy():
    model = Oscillators()
    positions = torch.full((7, 2, 1), 0.3, dtype=torch.float64)
    state = start_in_state(model, positions, 0 * positions, masses=model.masses, active_state=0)
    options = with_langevin(model, dt=5.0, temperature=1e-3, friction=0.0)
    for _ in range(100):
        state = nvt_step(state, model, options).state
    assert torch.equal(state.heat, torch.zeros_like(state.heat))
    assert state.energy_error_max.max() < 1e-4
