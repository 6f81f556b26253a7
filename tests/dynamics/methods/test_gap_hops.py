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


def wall_beside_a_spectator():
    """State 0 coupled to nothing and coming nearer; 1 and 2 meet where the kinetic energy pays for no hop."""

    def evaluate(positions):
        x = positions[:, 0, 0]
        zero, coupling = torch.zeros_like(x), torch.full_like(x, 8e-4)
        rows = [
            torch.stack([0.006 * x - 0.008, zero, zero], 1),
            torch.stack([zero, zero, coupling], 1),
            torch.stack([zero, coupling, -0.006 * x], 1),
        ]
        return Evaluation(torch.stack(rows, 1), zero)

    return model_by_hand(evaluate, torch.tensor([2000.0], dtype=torch.float64), 3)


@pytest.mark.parametrize("dt_fs", [0.5, 0.125])
@pytest.mark.parametrize("method", ["landau_zener", "zhu_nakamura"])
def test_a_refused_hop_that_turns_round_makes_no_minimum_of_other_gaps(method, dt_fs):
    model, n_traj = wall_beside_a_spectator(), 300
    content = {"initial": {"position_au": 0, "momentum_au": 1, "n": 1}, "time_fs": 100, "dt_fs": dt_fs}
    content |= {"method": method, "seed": 3, "frustrated": "reverse"}
    config = parse_configuration(content, RunConfiguration, where="test")
    motion = motion_of(config, model, model.masses)
    positions = torch.full((n_traj, 1, 1), -0.15, dtype=torch.float64)
    state = start_in_state(
        model, positions, torch.full_like(positions, 1.8), masses=model.masses, active_state=1
    )
    state, refused, targets = motion.begin(state, model), 0, []
    for _ in range(round(9 / dt_fs)):
        step = motion.step(state, model)
        state, refused = step.state, refused + int((~step.hops.accepted).sum())
        targets += step.hops.to_state.tolist()
    # A fifth of them and more is turned back; the gap below them, which was closing, opens from then on.
    assert refused > 0.2 * n_traj
    assert set(targets) == {2}
