"""Ehrenfest dynamics: force, conservation, reversal, and a model on which it is exact."""

from dataclasses import replace

import pytest
import torch
from constant_coupling import coupled
from constant_coupling import start as start_of_constants
from toy_molecule import ToyMolecule, start

from nadyn.dynamics.electrons.mean import MeanWeights, mean_density, mean_energy, weighted_gradient
from nadyn.dynamics.initial.start import start_in_diabatic_state, start_in_state
from nadyn.dynamics.methods.ehrenfest import Ehrenfest, ehrenfest_step
from nadyn.dynamics.methods.mean_field import begin_on_mean
from nadyn.dynamics.state.memory import remember
from nadyn.dynamics.state.populations import squared_amplitudes
from nadyn.models.analytic.vibronic import pyrazine

pytestmark = pytest.mark.usefixtures("unchecked_annotations")


def begun(model, positions, momenta, active_state=1):
    state = start_in_state(model, positions, momenta, masses=model.masses, active_state=active_state)
    return begin_on_mean(state, model, model.masses)


def advanced(state, model, dt, n_steps):
    options = Ehrenfest(dt=dt, masses=model.masses)
    for _ in range(n_steps):
        state = ehrenfest_step(state, model, options).state
    return state


def turned_around(state):
    return replace(state, momenta=-state.momenta, coefficients=state.coefficients.conj().resolve_conj())


def test_the_weighted_gradient_is_that_of_the_mean_energy():
    model, (positions, _) = ToyMolecule(), start(3)
    generator = torch.Generator().manual_seed(4)
    weights = torch.randn(3, 4, 4, dtype=torch.float64, generator=generator)
    weights = weights + weights.mT
    gradient = weighted_gradient(model, positions, weights)
    for atom, x in ((0, 2), (3, 1)):
        shift = torch.zeros_like(positions)
        shift[:, atom, x] = 1e-4
        up, down = (model.evaluate(positions + sign * shift).hamiltonian for sign in (1, -1))
        slope = ((up - down) * weights).sum((1, 2)) / 2e-4
        torch.testing.assert_close(gradient[:, atom, x], slope, rtol=1e-6, atol=1e-9)


def test_the_mean_energy_is_the_trace_of_density_and_hamiltonian():
    model, (positions, momenta) = ToyMolecule(), start(5)
    state = advanced(begun(model, positions, momenta, 2), model, 5.0, 4)
    one, none = torch.ones(5, dtype=torch.float64), torch.zeros(5, 4, dtype=torch.float64)
    density = mean_density(state.coefficients, state.eigenvectors, one, none)
    trace = (density * model.evaluate(state.positions).hamiltonian).sum((1, 2))
    torch.testing.assert_close(mean_energy(state), trace, rtol=1e-12, atol=1e-12)
    shifted = remember(state, MeanWeights(1.3 * one, none + 0.1))
    density = mean_density(shifted.coefficients, shifted.eigenvectors, 1.3 * one, none + 0.1)
    trace = (density * model.evaluate(state.positions).hamiltonian).sum((1, 2))
    torch.testing.assert_close(mean_energy(shifted), trace, rtol=1e-12, atol=1e-12)


# With as many basis states as states, and with two surplus ones.
@pytest.mark.parametrize("n_states", [4, 2])
def test_the_energy_error_falls_with_the_square_of_the_time_step(n_states):
    model, (positions, momenta) = ToyMolecule(n_states=n_states), start(5)
    first = begun(model, positions, momenta)
    errors = [advanced(first, model, dt, round(120 / dt)).energy_error_max.max() for dt in (4.0, 2.0)]
    assert 3.6 < errors[0] / errors[1] < 4.4 and errors[1] < 1e-4


def test_angular_momentum_is_kept():
    model, (positions, momenta) = ToyMolecule(), start(5)
    first = begun(model, positions, momenta)
    last = advanced(first, model, 5.0, 40)
    before, after = (torch.linalg.cross(s.positions, s.momenta).sum(1) for s in (first, last))
    assert (after - before).abs().max() < 1e-10
    # The state did mix: an average of one state would prove nothing.
    assert (last.coefficients.abs() ** 2).amax(1).min() < 0.95


@pytest.mark.parametrize("n_steps", [60, pytest.param(1000, marks=pytest.mark.slow)])
def test_steps_forward_and_back_return_to_the_start(n_steps):
    model = pyrazine(4)
    positions = 0.5 + 0.1 * torch.arange(3, dtype=torch.float64)[:, None, None].expand(-1, 4, 1)
    first = begun(model, positions, torch.ones_like(positions))
    last = advanced(first, model, 4.0, n_steps)
    back = turned_around(advanced(turned_around(last), model, 4.0, n_steps))
    assert (last.positions - first.positions).abs().max() > 0.2
    assert (back.positions - first.positions).abs().max() < 1e-8
    assert (back.momenta - first.momenta).abs().max() < 1e-8
    assert (back.coefficients.abs() - first.coefficients.abs()).abs().max() < 1e-8


def test_populations_are_exact_where_all_states_have_the_same_forces():
    model = coupled(3)
    positions, momenta = start_of_constants(4)
    state = start_in_diabatic_state(model, positions, momenta, masses=model.masses, diabatic_state=2, seed=1)
    state = advanced(begin_on_mean(state, model, model.masses), model, 5.0, 60)
    exact = model.exact(2, 300.0).expand(4, -1)
    torch.testing.assert_close(squared_amplitudes(state), exact, rtol=0, atol=1e-10)
    assert (exact[0] - torch.tensor([0.0, 0.0, 1.0])).abs().max() > 0.15
