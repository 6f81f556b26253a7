"""Coherent switching with decay of mixing: what decays, who pays, conservation, an exact answer."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from constant_coupling import coupled
from constant_coupling import start as start_of_constants
from contracts.by_hand import model_by_hand
from scipy.integrate import solve_ivp
from toy_molecule import ToyMolecule, start

from nadyn.dynamics.electrons.mean import total_mean_energy
from nadyn.dynamics.initial.start import start_in_diabatic_state, start_in_state
from nadyn.dynamics.methods.csdm import (
    CoherentStates,
    Csdm,
    begin_csdm,
    csdm_step,
    decay_of_mixing,
    pointer_coupling,
)
from nadyn.dynamics.methods.mean_field import begin_on_mean
from nadyn.dynamics.state.memory import recall, remember
from nadyn.dynamics.state.populations import squared_coefficients
from nadyn.electronic.surfaces import surfaces
from nadyn.models.analytic import pyrazine
from nadyn.models.analytic.tully import tully
from nadyn.models.model import Evaluation

pytestmark = pytest.mark.usefixtures("unchecked_annotations")


def coherent_of(state):
    return recall(state, CoherentStates).coefficients


def options(model, dt=3.0, seed=1, **constants):
    return Csdm(dt=dt, seed=seed, masses=model.masses, **constants)


def begun(model, positions, momenta, state=1):
    first = start_in_state(model, positions, momenta, masses=model.masses, active_state=state)
    return begin_csdm(first, model, model.masses)


def mixed(n_traj):
    model = ToyMolecule()
    positions, momenta = start(n_traj, momentum=20.0)
    generator = torch.Generator().manual_seed(8)
    parts = torch.randn(n_traj, 4, 2, dtype=torch.float64, generator=generator)
    c = torch.view_as_complex(parts / parts.norm(dim=(1, 2), keepdim=True))
    state = replace(begun(model, positions, momenta), coefficients=c)
    return model, replace(state, active_state=torch.arange(n_traj) % 4)


def test_decay_is_paid_by_the_nuclei_and_keeps_momentum_and_angular_momentum():
    model, state = mixed(9)
    after = decay_of_mixing(state, model, options(model, dt=40.0))
    before, now = (total_mean_energy(s, model.masses) for s in (state, after))
    assert (now - before).abs().max() < 1e-12
    assert (after.momenta - state.momenta).abs().amax((1, 2)).min() > 1e-3
    assert (after.momenta - state.momenta).sum(1).abs().max() < 1e-10
    turned = torch.linalg.cross(state.positions, after.momenta - state.momenta).sum(1)
    assert turned.abs().max() < 1e-9


def test_all_states_but_the_pointer_lose_what_it_gains():
    model, state = mixed(9)
    before = squared_coefficients(state)
    after = squared_coefficients(decay_of_mixing(state, model, options(model, dt=40.0)))
    pointer = torch.nn.functional.one_hot(state.active_state, 4).bool()
    assert (after[pointer] > before[pointer]).all() and (after[~pointer] < before[~pointer]).all()
    assert (after.sum(1) - 1).abs().max() < 1e-13


def test_the_rate_in_one_dimension_is_that_of_the_paper():
    model = tully(1)
    positions = torch.tensor([-1.0, 0.3], dtype=torch.float64)[:, None, None]
    momenta = torch.tensor([20.0, -15.0], dtype=torch.float64)[:, None, None]
    c = torch.tensor([[0.6, 0.8j], [0.8, -0.6]], dtype=torch.complex128)
    state = replace(begun(model, positions, momenta, 0), coefficients=c)
    after = decay_of_mixing(state, model, options(model, dt=7.0, constant=1.3, energy=0.2))
    # All momentum lies along the only direction.
    kinetic = (momenta**2 / 4000.0)[:, 0, 0]
    gap = state.energies[:, 1] - state.energies[:, 0]
    expected = c.abs()[:, 1] ** 2 * torch.exp(-7.0 * gap / (1.3 + 0.2 / kinetic))
    torch.testing.assert_close(squared_coefficients(after)[:, 1], expected, rtol=1e-12, atol=0)


def test_the_rate_along_several_modes_of_unlike_mass_is_that_of_the_paper():
    model, generator = pyrazine(4), torch.Generator().manual_seed(2)
    positions, momenta = (torch.randn(5, 4, 1, dtype=torch.float64, generator=generator) for _ in range(2))
    # Close to the intersection, where the coupling makes a large part of s.
    positions = 0.05 * positions + torch.tensor([0.0, 2 * 0.423 / (0.09806 + 0.13545), 0.0, 0.0])[:, None]
    c = torch.tensor([0.6, 0.8j], dtype=torch.complex128).expand(5, 2)
    state = replace(begun(model, positions, momenta, 0), coefficients=c)
    after = decay_of_mixing(state, model, options(model, dt=2000.0, constant=1.3, energy=0.01))
    found = surfaces(model, positions)
    # The eigenvectors of both are the same, but for signs that s does not see.
    gap = (found.energies[:, 1] - found.energies[:, 0]).numpy()
    d = found.interstate_coupling[:, 0, 1, :, 0].numpy() / gap[:, None]
    p, w = momenta[:, :, 0].numpy(), 1.0 / model.masses.numpy()
    along = (p * d * w).sum(1) / np.sqrt((d * d * w).sum(1))
    s = d * along[:, None] + p
    kinetic = (p * s * w).sum(1) ** 2 / (2.0 * (s * s * w).sum(1))
    expected = 0.64 * np.exp(-2000.0 * gap / (1.3 + 0.01 / kinetic))
    assert 0.2 < expected.min() < expected.max() < 0.6
    np.testing.assert_allclose(squared_coefficients(after)[:, 1].numpy(), expected, rtol=1e-12)


def test_nuclei_at_rest_do_not_let_anything_decay():
    model, state = mixed(6)
    state = replace(state, momenta=torch.zeros_like(state.momenta))
    after = decay_of_mixing(state, model, options(model, dt=40.0))
    torch.testing.assert_close(after.coefficients, state.coefficients, rtol=0, atol=1e-14)
    assert after.momenta.abs().max() == 0


def test_the_energy_error_falls_with_the_square_of_the_time_step():
    model, (positions, momenta) = ToyMolecule(), start(5, momentum=20.0)
    first, errors = begun(model, positions, momenta, 2), []
    for dt in (5.0, 2.5):
        state = first
        for _ in range(round(90 / dt)):
            state = csdm_step(state, model, options(model, dt)).state
        errors.append(state.energy_error_max)
        assert (state.coefficients.abs() ** 2).sum(1).sub(1).abs().max() < 1e-12
    assert 3.4 < (errors[0] / errors[1]).median() < 4.6
    before, after = (torch.linalg.cross(s.positions, s.momenta).sum(1) for s in (first, state))
    assert (after - before).abs().max() < 1e-9


def test_without_decay_the_motion_is_that_of_the_mean():
    model = coupled(3)
    state = start_in_diabatic_state(
        model, *start_of_constants(5), masses=model.masses, diabatic_state=1, seed=1
    )
    state = begin_csdm(state, model, model.masses)
    for _ in range(20):
        state = csdm_step(state, model, options(model, energy=1e12)).state
    torch.testing.assert_close(coherent_of(state), state.coefficients, rtol=0, atol=1e-8)
    amplitudes = (state.eigenvectors * state.coefficients[:, None, :]).sum(2).abs() ** 2
    torch.testing.assert_close(amplitudes, model.exact(1, 60.0).expand(5, -1), rtol=0, atol=1e-8)


def test_the_coupling_of_the_pointer_is_what_has_left_it():
    generator = torch.Generator().manual_seed(3)
    old = torch.linalg.qr(torch.randn(5, 4, 4, dtype=torch.float64, generator=generator))[0]
    turn = 0.05 * torch.randn(5, 4, 4, dtype=torch.float64, generator=generator)
    new = old @ torch.matrix_exp(turn - turn.mT)
    pointer = torch.tensor([0, 1, 2, 3, 1])
    stayed = torch.stack([old[t, :, pointer[t]] @ new[t, :, pointer[t]] for t in range(5)])
    torch.testing.assert_close(pointer_coupling(old, new, pointer), 1 - stayed**2, rtol=0, atol=1e-13)


def test_every_trajectory_ends_in_one_state_and_as_many_as_quantum_mechanics_says():
    model, n = tully(1), 500
    positions = torch.full((n, 1, 1), -6.0, dtype=torch.float64)
    state = begun(model, positions, torch.full_like(positions, 20.0), state=0)
    while state.positions.min() < 8.0:
        state = csdm_step(state, model, options(model, 30.0, seed=3)).state
    upper = squared_coefficients(state)[:, 1]
    # By the split operator for a packet of width 20/k.
    assert abs(upper.mean() - 0.49278) < 3 * (0.25 / n) ** 0.5
    mixture = upper * (1 - upper)
    assert mixture.mean() < 0.1


HEAVY, SPEED, SLOPE, COUPLING, HALF_WAY = 2e6, 0.006, 0.005, 0.002, 4.0


def heavy(matrix_of, n_states):
    """Coordinates so heavy that nothing changes their speed."""

    def evaluate(positions):
        x = positions[:, 0, 0]
        return Evaluation(matrix_of(x), torch.zeros_like(x))

    return model_by_hand(evaluate, torch.tensor([HEAVY], dtype=torch.float64), n_states)


def crossed_twice(x):
    half_gap = SLOPE * (x * x - HALF_WAY**2) / (2.0 * HALF_WAY)
    coupling = torch.full_like(x, COUPLING)
    return torch.stack([torch.stack([half_gap, coupling], 1), torch.stack([coupling, -half_gap], 1)], 1)


def exact_change_of_state(first, last):
    """Schroedinger's equation at constant speed, by another integrator, from the lower adiabatic state."""

    def matrix(x):
        return crossed_twice(torch.tensor([x], dtype=torch.float64))[0].numpy()

    solved = solve_ivp(
        lambda t, a: -1j * matrix(first + SPEED * t) @ a,
        (0.0, (last - first) / SPEED),
        np.linalg.eigh(matrix(first))[1][:, 0].astype(complex),
        rtol=1e-8,
        atol=1e-10,
    )
    return float(abs(np.linalg.eigh(matrix(last))[1][:, 1] @ solved.y[:, -1]) ** 2)


def test_a_second_crossing_begins_with_what_has_decayed_since_the_first_one():
    model, n = heavy(crossed_twice, 2), 400
    positions = torch.full((n, 1, 1), -2.0 * HALF_WAY, dtype=torch.float64)
    state = begun(model, positions, torch.full_like(positions, SPEED * HEAVY), state=0)
    restarts = []
    while float(state.positions.min()) < 2.0 * HALF_WAY:
        before = state
        state = csdm_step(state, model, options(model, 25.0, seed=2)).state
        # One step of decay parts them; else those of a whole crossing.
        apart = (squared_coefficients(state) - coherent_of(state).abs() ** 2).abs().amax(1)
        was_apart = (squared_coefficients(before) - coherent_of(before).abs() ** 2).abs().amax(1)
        if float((was_apart - apart).median()) > 0.1:
            restarts.append(float(before.positions.median()))
    # Between two crossings alike the coupling has its minimum half way, and it is seen one step later.
    assert len(restarts) == 1 and abs(restarts[0]) < 0.3
    once, both = exact_change_of_state(-2.0 * HALF_WAY, 0.0), 2.0 * HALF_WAY
    apart, together = 2 * once * (1 - once), exact_change_of_state(-both, both)
    gate = 3 * (0.25 / n) ** 0.5
    # Who has decayed does not interfere; with coherence the answer would be far from that.
    assert abs(apart - together) > 2 * gate
    assert abs(float((state.active_state == 1).double().mean()) - apart) < gate


def test_a_new_pointer_state_does_not_inherit_the_coupling_of_the_old_one():
    def matrix_of(x):
        zero = torch.zeros_like(x)
        rows = [[zero, 0.002 * x, zero], [0.002 * x, zero + 0.02, 0.02 * x], [zero, 0.02 * x, zero + 0.03]]
        return torch.stack([torch.stack(row, 1) for row in rows], 1)

    # State 0 is coupled to 1 by 0.1 / bohr, 1 to 2 by 2 / bohr.
    model, n = heavy(matrix_of, 3), 400
    positions = torch.full((n, 1, 1), -0.02, dtype=torch.float64)
    state = begun(model, positions, torch.full_like(positions, 0.01 * HEAVY), state=0)
    signs = torch.sign(state.eigenvectors[:, [0, 1, 2], [0, 1, 2]])
    mixed_up = torch.tensor([0.9, 0.3, 0.1**0.5], dtype=torch.complex128) * signs
    coherent = torch.tensor([0.1, 0.7, 0.5**0.5], dtype=torch.complex128) * signs
    fallen = torch.tensor([1.0, 0.5], dtype=torch.float64).expand(n, 2).clone()
    state = remember(replace(state, coefficients=mixed_up), CoherentStates(coherent, fallen))
    state = begin_on_mean(state, model, model.masses)
    once = csdm_step(state, model, options(model, 2.0, seed=5)).state
    switched = once.active_state == 1
    assert int(switched.sum()) > 3
    twice = csdm_step(once, model, options(model, 2.0, seed=5)).state
    # What is coherent has hardly turned, and has not become what decays.
    off = (coherent_of(twice).abs() - coherent.abs()).abs().amax(1)
    assert float(off[switched].max()) < 0.1
