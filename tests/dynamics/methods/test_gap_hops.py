"""Hops at minima of gaps: between which states, and that they need a crossing of these two."""

import pytest
import torch
from contracts.by_hand import model_by_hand

from nadyn.checks.configuration import parse_configuration
from nadyn.dynamics.initial.start import start_in_state
from nadyn.dynamics.methods.table import motion_of
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.models.model import Evaluation

pytestmark = pytest.mark.usefixtures("unchecked_annotations")

MASS, SLOPE, BELOW, COUPLING = 2e5, 0.02, 0.0184, 1e-6


def crossing_above_a_spectator():
    """State 0 far below, coupled to nothing; 1 and 2 are straight lines that all but cross."""

    def evaluate(positions):
        x = positions[:, 0, 0]
        zero, coupling = torch.zeros_like(x), torch.full_like(x, COUPLING)
        rows = [
            torch.stack([zero - BELOW, zero, zero], 1),
            torch.stack([zero, SLOPE * x, coupling], 1),
            torch.stack([zero, coupling, -SLOPE * x], 1),
        ]
        return Evaluation(torch.stack(rows, 1), zero)

    return model_by_hand(evaluate, torch.tensor([MASS], dtype=torch.float64), 3)


@pytest.mark.parametrize("dt_fs", [0.4, 0.1])
@pytest.mark.parametrize("method", ["landau_zener", "zhu_nakamura"])
def test_a_crossing_of_two_states_sends_nobody_to_a_third_one(method, dt_fs):
    model, n_traj = crossing_above_a_spectator(), 500
    content = {"initial": {"position_au": 0, "momentum_au": 1, "n": 1}, "time_fs": 100, "dt_fs": dt_fs}
    config = parse_configuration({**content, "method": method, "seed": 3}, RunConfiguration, where="test")
    motion = motion_of(config, model, model.masses)
    positions = torch.full((n_traj, 1, 1), -0.1, dtype=torch.float64)
    momenta = torch.full_like(positions, 0.003 * MASS)
    state = start_in_state(model, positions, momenta, masses=model.masses, active_state=2)
    state = motion.begin(state, model)
    while float(state.positions.min()) < 0.1:
        state = motion.step(state, model).state
    # The gap of 2e-6 hartree is passed diabatically: what has come from above is below, on the same line.
    assert torch.bincount(state.active_state, minlength=3).tolist() == [0, n_traj, 0]
