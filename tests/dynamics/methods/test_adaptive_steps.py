"""Steps that a trajectory divides for itself."""

from dataclasses import replace

import pytest
import torch

from nadyn.checks.configuration import parse_configuration
from nadyn.checks.errors import InputError
from nadyn.dynamics.initial.start import start_in_diabatic_state, start_in_state
from nadyn.dynamics.methods.adaptive import (
    Division,
    divided_step,
    divided_where_asked,
    smallest_gap,
    smallest_gap_of_neighbours,
)
from nadyn.dynamics.methods.fssh import Fssh, fssh_step
from nadyn.dynamics.methods.gap_hops import Minima, curvature_of_gap, slope_of_gap
from nadyn.dynamics.methods.nve import Nve, nve_step
from nadyn.dynamics.methods.table import METHODS, find_method, motion_of
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.models.analytic.tully import tully

pytestmark = pytest.mark.usefixtures("unchecked_annotations")


def crossing(division, n_traj=15):
    """Largest energy error and steps of a trajectory through Tully's first crossing."""
    model, dt, made = tully(1), 40.0, 0
    positions = torch.full((n_traj, 1, 1), -4.0, dtype=torch.float64)
    state = start_in_state(
        model, positions, torch.full_like(positions, 20.0), masses=model.masses, active_state=0
    )
    options = Fssh(dt=dt, seed=1, masses=model.masses)

    def part(state, model, length, number):
        nonlocal made
        made += len(state.trajectory)
        return fssh_step(state, model, replace(options, dt=length, part=number))

    for _ in range(20):
        state = divided_step(state, model, part, division, dt=dt).state
    assert state.step == 20 and float(state.positions.min()) > 3.0
    return float(state.energy_error_max.max()), made / n_traj


def test_shorter_steps_near_the_crossing_keep_the_energy_at_less_cost_than_everywhere():
    coarse, steps = crossing(Division(energy=1.0, gap=0.0, halvings=3))
    error, divided = crossing(Division(energy=1e-5, gap=0.0, halvings=3))
    assert steps == 20 and error < 0.1 * coarse
    # All steps in eight parts would be 160.
    assert divided < 60


def test_near_a_small_gap_every_step_is_as_short_as_allowed():
    _, steps = crossing(Division(energy=1.0, gap=1.0, halvings=2))
    # The whole, two halves, four quarters.
    assert steps == 20 * 7


def test_the_gap_is_that_to_the_nearest_other_state():
    model = tully(1)
    positions = torch.tensor([0.0, -5.0], dtype=torch.float64)[:, None, None]
    state = start_in_state(model, positions, 0 * positions, masses=model.masses, active_state=1)
    assert smallest_gap(state).tolist() == pytest.approx([0.01, 0.02], abs=1e-4)


def test_curvature_needs_steps_of_one_length():
    start = {"position_au": -4, "momentum_au": 20, "n": 3}
    content = {"initial": start, "time_fs": 5, "method": "fssh", "propagation": "curvature", "adaptive": {}}
    config = parse_configuration(content, RunConfiguration, where="run")
    with pytest.raises(InputError, match="`adaptive` must be left out with `propagation: curvature`"):
        find_method(config).build(config, tully(1), tully(1).masses)


ADAPTIVE = sorted(name for name, method in METHODS.items() if "adaptive" in method.keys)


def energy_error_of_run(method, adaptive, n_traj=10):
    """Largest error of the conserved energy after the crossing, in steps of a femtosecond."""
    start = {"position_au": -4, "momentum_au": 20, "n": 3}
    content = {"initial": start, "time_fs": 5, "dt_fs": 1.0, "method": method, "adaptive": adaptive}
    config = parse_configuration(content, RunConfiguration, where="run")
    model = tully(1)
    ready = motion_of(config, model, model.masses)
    positions = torch.full((n_traj, 1, 1), -4.0, dtype=torch.float64)
    momenta = torch.full_like(positions, 20.0)
    state = start_in_diabatic_state(model, positions, momenta, masses=model.masses, diabatic_state=0, seed=1)
    state = ready.begin(state, model)
    for _ in range(20):
        state = ready.step(state, model).state
    assert state.step == 20 and float(state.positions.min()) > 2.0
    return float(state.energy_error_max.max())


@pytest.mark.parametrize("method", ADAPTIVE)
def test_shorter_steps_near_the_gap_keep_the_energy_in_every_method_that_has_them(method):
    coarse = energy_error_of_run(method, None)
    fine = energy_error_of_run(method, {"energy_ev": 1e3, "gap_ev": 0.54, "shortest_dt_fs": 0.25})
    # Quarters of a step where the crossing is: a sixteenth of the error of second order.
    assert fine < 0.15 * coarse


def test_a_minimum_between_steps_of_unequal_length_has_the_slope_and_the_curvature_of_its_parabola():
    since, until = torch.tensor([0.7, 2.0]).double(), torch.tensor([1.9, 0.25]).double()
    bent, tilted = torch.tensor([[0.3], [4.0]]).double(), torch.tensor([[0.05], [-0.2]]).double()

    def gap(time):
        return 1.0 + tilted * time[:, None] + 0.5 * bent * time[:, None] ** 2

    gaps = gap(-since), gap(torch.zeros(2).double()), gap(until)
    minima = Minima(*gaps, (gaps[1] < gaps[0]) & (gaps[1] < gaps[2]), since, until)
    assert bool(minima.found.all())
    torch.testing.assert_close(curvature_of_gap(minima), bent)
    torch.testing.assert_close(slope_of_gap(minima), tilted)


def test_motion_on_one_state_has_steps_of_one_length():
    start = {"position_au": -4, "momentum_au": 20, "n": 3}
    for method in sorted(set(METHODS) - set(ADAPTIVE)):
        content = {"initial": start, "time_fs": 5, "method": method, "adaptive": {}}
        config = parse_configuration(content, RunConfiguration, where="run")
        with pytest.raises(InputError, match=f"`adaptive` must be left out for method {method}"):
            find_method(config)
    assert set(METHODS) - set(ADAPTIVE) == {"nve", "nvt"}


def test_the_gap_of_a_mean_is_that_of_the_closest_neighbours():
    model = tully(1)
    positions = torch.tensor([0.0, -5.0], dtype=torch.float64)[:, None, None]
    state = start_in_state(model, positions, 0 * positions, masses=model.masses, active_state=1)
    energies = torch.tensor([[0.0, 0.5, 0.7], [-1.0, 0.0, 3.0]], dtype=torch.float64)
    found = smallest_gap_of_neighbours(replace(state, energies=energies))
    assert found.tolist() == pytest.approx([0.2, 1.0], abs=1e-15)


@pytest.mark.parametrize(
    ("dt_fs", "shortest", "expected"),
    # The last one: 0.3 / 0.15 is 2 in decimals only.
    [(0.5, 0.02, 0.03125), (0.5, 0.125, 0.125), (0.5, 0.7, 0.5), (0.6, 0.2, 0.3), (0.3, 0.15, 0.15)],
)
def test_no_part_of_a_step_is_shorter_than_the_shortest_one(dt_fs, shortest, expected):
    adaptive = {"energy_ev": 1e3, "gap_ev": 1e3, "shortest_dt_fs": shortest}
    start = {"position_au": -4, "momentum_au": 20, "n": 1}
    content = {"initial": start, "time_fs": 5, "dt_fs": dt_fs, "method": "fssh", "adaptive": adaptive}
    config, model, lengths = parse_configuration(content, RunConfiguration, where="run"), tully(1), []

    def recorded(state, model, dt, number):
        lengths.append(dt / config.dt * dt_fs)
        return nve_step(state, model, Nve(dt, model.masses))

    positions = torch.full((1, 1, 1), -4.0, dtype=torch.float64)
    momenta = torch.full_like(positions, 20.0)
    state = start_in_state(model, positions, momenta, masses=model.masses, active_state=0)
    divided_where_asked(config, recorded)(state, model)
    assert min(lengths) == pytest.approx(expected, rel=1e-12)
