"""Velocity Verlet: order, reversal; surface hopping: order of the energy error."""

import pytest
import torch

from nadyn.dynamics.initial.start import start_in_state
from nadyn.dynamics.methods.fssh import Fssh, fssh_begin, fssh_step
from nadyn.dynamics.methods.nve import Nve, nve_step
from nadyn.models.analytic import pyrazine

pytestmark = pytest.mark.usefixtures("unchecked_annotations")


def moving(n_traj=7):
    model = pyrazine(4)
    generator = torch.Generator().manual_seed(6)
    shape = (n_traj, len(model.masses), 1)
    positions = 0.7 * torch.randn(shape, dtype=torch.float64, generator=generator)
    momenta = 0.7 * torch.randn(shape, dtype=torch.float64, generator=generator)
    return model, start_in_state(model, positions, momenta, masses=model.masses, active_state=0)


def advance(model, state, dt, n_steps):
    options = Nve(dt=dt, masses=model.masses)
    for _ in range(n_steps):
        state = nve_step(state, model, options).state
    return state


def test_the_energy_error_falls_with_the_square_of_the_step():
    model, state = moving()
    errors = [advance(model, state, 16.0 / k, 25 * k).energy_error_max for k in (1, 2, 4)]
    ratios = torch.stack([errors[0] / errors[1], errors[1] / errors[2]])
    assert ratios.median(1).values.tolist() == pytest.approx([4.0, 4.0], abs=0.5)


def test_the_energy_error_of_surface_hopping_falls_with_the_square_of_the_step():
    # Hops are paid exactly; what is left is that of Verlet on each surface.
    model, errors, hops = pyrazine(4), [], 0
    for dt in (20.0, 10.0):
        _, state = moving(64)
        state = start_in_state(model, state.positions, state.momenta, masses=model.masses, active_state=1)
        options = Fssh(dt=dt, seed=2, masses=model.masses)
        state = fssh_begin(state, model, options)
        for _ in range(int(1200 / dt)):
            step = fssh_step(state, model, options)
            state, hops = step.state, hops + int(step.hops.accepted.sum())
        errors.append(float(state.energy_error_max.median()))
    assert hops > 64
    assert 3.3 < errors[0] / errors[1] < 4.7


def test_the_motion_runs_backwards_when_momenta_are_reversed():
    from dataclasses import replace

    model, state = moving()
    there = advance(model, state, 8.0, 60)
    assert (there.positions - state.positions).abs().min() > 1e-4
    back = advance(model, replace(there, momenta=-there.momenta), 8.0, 60)
    torch.testing.assert_close(back.positions, state.positions, rtol=0, atol=1e-9)
    torch.testing.assert_close(back.momenta, -state.momenta, rtol=0, atol=1e-9)
