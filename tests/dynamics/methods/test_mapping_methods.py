"""Spin-LSC and SQC: what is drawn, energies and forces, exact answers, refusals."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch
from constant_coupling import coupled
from constant_coupling import start as start_of_constants
from toy_molecule import ToyMolecule, start

from nadyn.analysis.summary import analyse
from nadyn.checks.configuration import parse_configuration
from nadyn.checks.errors import InputError
from nadyn.dynamics.electrons.mean import mean_density, scale_and_zero_point
from nadyn.dynamics.initial.start import start_in_diabatic_state, start_in_state
from nadyn.dynamics.methods.ehrenfest import Ehrenfest, ehrenfest_step
from nadyn.dynamics.methods.mapping_spin_lsc import (
    SPIN_LSC,
    adiabatic_estimate,
    begin_spin_lsc,
    diabatic_estimate,
    radius,
)
from nadyn.dynamics.methods.mapping_sqc import (
    SQC,
    adiabatic_window,
    begin_sqc,
    diabatic_window,
    draw_actions,
    window,
)
from nadyn.dynamics.run import loop as runner
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.models.analytic.tully import tully
from nadyn.trajectory import open_run

pytestmark = pytest.mark.usefixtures("unchecked_annotations")


def in_diabatic_state(model, positions, momenta, diabatic_state):
    return start_in_diabatic_state(
        model, positions, momenta, masses=model.masses, diabatic_state=diabatic_state, seed=1
    )


def advanced(state, model, dt, n_steps):
    options = Ehrenfest(dt=dt, masses=model.masses)
    for _ in range(n_steps):
        state = ehrenfest_step(state, model, options).state
    return state


def test_the_radius_of_two_states_is_that_of_a_spin():
    # (X^2 + P^2 - γ)/2 = 1/2 ± (√3/2) cos θ for two states.
    assert radius(2) == pytest.approx(np.sqrt(3.0))


@pytest.mark.parametrize("diabatic", [False, True])
def test_a_focused_start_has_exact_populations_in_each_trajectory(diabatic):
    model, arrays = coupled(3), start_of_constants(30)
    if diabatic:
        first = in_diabatic_state(model, *arrays, 1)
    else:
        first = start_in_state(model, *arrays, masses=model.masses, active_state=1)
    state = begin_spin_lsc(first, model, model.masses, seed=1, sampling="focused")
    values = diabatic_estimate(state) if diabatic else adiabatic_estimate(state)
    exact = torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64).expand(30, -1)
    torch.testing.assert_close(values, exact, rtol=0, atol=1e-13)


@pytest.mark.parametrize("sampling", ["sphere", "focused"])
@pytest.mark.parametrize("n_states", [2, 3])
def test_spin_lsc_is_exact_where_all_states_have_the_same_forces(sampling, n_states):
    model, n = coupled(n_states), 500
    state = in_diabatic_state(model, *start_of_constants(n), 0)
    state = begin_spin_lsc(state, model, model.masses, seed=3, sampling=sampling)
    for n_steps in (0, 20, 20):
        state = advanced(state, model, 5.0, n_steps)
        values = diabatic_estimate(state)
        error = values.std(0) / n**0.5
        assert ((values.mean(0) - model.exact(0, 5.0 * state.step)).abs() <= 3 * error + 1e-12).all()
        assert error.max() < 0.12


@pytest.mark.parametrize("method", ["spin_lsc", "sqc"])
def test_the_energy_error_falls_with_the_square_of_the_time_step(method):
    model, (positions, momenta) = ToyMolecule(), start(8)
    state = in_diabatic_state(model, positions, momenta, 1)
    if method == "sqc":
        first = begin_sqc(state, model, model.masses, seed=1, zero_point="adjusted")
    else:
        first = begin_spin_lsc(state, model, model.masses, seed=1, sampling="sphere")
    errors = [advanced(first, model, dt, round(120 / dt)).energy_error_max.max() for dt in (4.0, 2.0)]
    assert 3.5 < errors[0] / errors[1] < 4.5 and errors[1] < 1e-3


@pytest.mark.parametrize("n_states", [2, 3, 5])
def test_actions_fill_the_triangle_of_the_initial_state(n_states):
    n = 4000
    chosen = torch.arange(n) % n_states
    actions = draw_actions(chosen, n_states, seed=2, trajectory=torch.arange(n))
    own = actions[torch.arange(n), chosen]
    other = actions[torch.arange(n), (chosen + 1) % n_states]
    assert own.min() > 1 and (own + other).max() < 2 and other.min() > 0
    # Density 2 (2 - e) of the first; given it, the other is uniform below 2 - e.
    cumulative = torch.sort(1 - (2 - own) ** 2).values.numpy()
    assert np.abs(cumulative - (np.arange(n) + 0.5) / n).max() < 1.8 / np.sqrt(n)
    share = torch.sort(other / (2 - own)).values.numpy()
    assert np.abs(share - (np.arange(n) + 0.5) / n).max() < 1.8 / np.sqrt(n)
    assert torch.equal(window(actions), torch.nn.functional.one_hot(chosen, n_states).double())


def test_a_trajectory_in_two_windows_or_none_does_not_count():
    values = window(torch.tensor([[1.2, 0.4, 0.3], [1.2, 1.1, 0.3], [0.9, 0.6, 0.5]], dtype=torch.float64))
    assert values[0].tolist() == [1.0, 0.0, 0.0]
    assert torch.isnan(values[1:]).all()


def test_adjusted_zero_points_give_each_trajectory_the_first_diagonal_force_of_its_state():
    model, (positions, momenta) = ToyMolecule(), start(40)
    state = in_diabatic_state(model, positions, momenta, 2)
    exact = torch.tensor([0.0, 0.0, 1.0, 0.0], dtype=torch.float64).expand(40, -1)
    for zero_point, agrees in (("adjusted", True), ("third", False)):
        first = begin_sqc(state, model, model.masses, seed=1, zero_point=zero_point)
        density = mean_density(first.coefficients, first.eigenvectors, *scale_and_zero_point(first))
        difference = (density.diagonal(dim1=1, dim2=2) - exact).abs().amax(1)
        assert bool((difference < 1e-12).all()) == agrees
        assert (difference.mean() > 0.1) != agrees


def test_sqc_on_the_first_model_of_tully_branches_as_quantum_mechanics_says():
    model, n = tully(1), 500
    positions = torch.full((n, 1, 1), -8.0, dtype=torch.float64)
    # The lower adiabatic state is diabatic state 0 on the left and 1 on the right.
    state = in_diabatic_state(model, positions, torch.full_like(positions, 30.0), 0)
    state = begin_sqc(state, model, model.masses, seed=4, zero_point="adjusted")
    while state.positions.min() < 5.0:
        state = advanced(state, model, 15.0, 1)
    values = adiabatic_window(state)
    values = values[torch.isfinite(values[:, 1]), 1]
    assert len(values) > 350
    # By the split operator for a packet of width 20/k.
    assert abs(values.mean() - 0.7149) < 3 * values.std() / len(values) ** 0.5


def test_windows_of_diabatic_states_start_in_the_initial_one():
    model = ToyMolecule()
    state = begin_sqc(in_diabatic_state(model, *start(9), 3), model, model.masses, seed=1, zero_point="third")
    exact = torch.tensor([0.0, 0.0, 0.0, 1.0], dtype=torch.float64).expand(9, -1)
    assert torch.equal(diabatic_window(state), exact)


def test_sqc_refuses_a_start_in_a_mixed_adiabatic_state():
    model = coupled(3)
    state = start_in_state(model, *start_of_constants(3), masses=model.masses, active_state=1)
    with pytest.raises(InputError, match=r"`diabatic_state` must be given for method sqc, but the start"):
        begin_sqc(state, model, model.masses, seed=1, zero_point="third")


@dataclass(frozen=True)
class NoFixedBasis(ToyMolecule):
    fixed_diabatic_basis: ClassVar[bool] = False


@pytest.mark.parametrize("method", [SPIN_LSC, SQC])
@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (ToyMolecule(n_states=2, n_basis=5), "as many states as rows of W, but toy has 2 of 5"),
        (NoFixedBasis(), "a fixed diabatic basis, but toy has none"),
    ],
)
def test_models_without_a_diabatic_basis_of_states_are_refused(method, model, sentence):
    content = {"initial": {"sample": "wigner", "n": 3}, "time_fs": 5, "method": "sqc"}
    config = parse_configuration(content, RunConfiguration, where="run")
    with pytest.raises(InputError, match=sentence):
        method.build(config, model, model.masses)


def test_populations_of_windows_are_means_over_the_trajectories_in_one(tmp_path):
    result = runner.run(
        {
            "model": {"name": "tully", "variant": 1},
            "initial": {"position_au": -4, "momentum_au": 30, "n": 60, "diabatic_state": 0},
            "method": "sqc",
            "dt_fs": 0.5,
            "time_fs": 18,
            "write_every": 4,
            "stop": {"beyond_au": 4.0},
            "output": str(tmp_path / "run.h5"),
        },
        progress=False,
    )
    run, numbers = open_run(result.path), analyse(result.path)
    last = run.populations_adiabatic[-1]
    in_some = np.isfinite(last).all(axis=1)
    assert 30 < in_some.sum() < 60
    assert numbers["populations"][-1] == pytest.approx(last[in_some].mean(axis=0))
    assert np.sum(numbers["diabatic_populations"], axis=1) == pytest.approx(1.0)
    assert sum(numbers["branching"].values()) == pytest.approx(1.0)
    assert (
        numbers["populations_low"][-1][1] < numbers["populations"][-1][1] < numbers["populations_high"][-1][1]
    )
    assert numbers["population_estimator"].startswith("SQC: triangular windows")
