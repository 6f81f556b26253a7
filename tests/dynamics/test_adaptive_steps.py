"""Steps that a trajectory divides for itself."""

from dataclasses import replace

import pytest
import torch

from nadyn.checks.configuration import parse_configuration
from nadyn.checks.errors import InputError
from nadyn.dynamics.adaptive import Division, divided_step, smallest_gap
from nadyn.dynamics.configuration import RunConfiguration
from nadyn.dynamics.fssh import Fssh, fssh_step
from nadyn.dynamics.methods import find_method
from nadyn.dynamics.start import start_in_state
from nadyn.models.analytic.tully import tully

pytestmark = pytest.mark.usefixtures("unchecked_annotations")


def crossing(division, n_traj=40):
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
