"""Methods that know energies only: where the steps fall beside a crossing must not matter."""

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from contracts.by_hand import model_by_hand

from nadyn.checks.configuration import parse_configuration
from nadyn.dynamics.electrons.curvature import (
    GapHistory,
    begin_curvature,
    parabola,
    turns_from_curvature,
)
from nadyn.dynamics.initial.start import start_in_state
from nadyn.dynamics.methods.table import motion_of
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.dynamics.state.memory import recall
from nadyn.models.analytic.tully import tully
from nadyn.models.model import Evaluation

pytestmark = pytest.mark.usefixtures("unchecked_annotations")

# So heavy that neither forces nor hops change the speed, and the lines are passed in about ten steps.
MASS, SLOPE, SPEED, N_TRAJ = 2e6, 0.02, 0.01, 400

ENERGIES_ONLY = {
    "landau_zener": {"method": "landau_zener"},
    "zhu_nakamura": {"method": "zhu_nakamura"},
    "curvature": {"method": "fssh", "propagation": "curvature", "decoherence": "none"},
}


def three_lines(coupling):
    """Two lines that cross at 0, coupled by a constant, and a third one below, coupled to nothing."""

    def evaluate(positions):
        x = positions[:, 0, 0]
        zero, off = torch.zeros_like(x), torch.full_like(x, coupling)
        rows = [
            torch.stack([0.3 * SLOPE * x - 0.05, zero, zero], 1),
            torch.stack([zero, SLOPE * x, off], 1),
            torch.stack([zero, off, -SLOPE * x], 1),
        ]
        return Evaluation(torch.stack(rows, 1), zero)

    return model_by_hand(evaluate, torch.tensor([MASS], dtype=torch.float64), 3)


def states_behind(coupling, dt_fs, first, keys):
    """Active states behind the crossing; each trajectory meets it at another fraction of a step."""
    content = {"initial": {"position_au": 0, "momentum_au": 1, "n": 1}, "time_fs": 100, "dt_fs": dt_fs}
    config = parse_configuration({**content, "seed": 3, **keys}, RunConfiguration, where="test")
    model = three_lines(coupling)
    motion = motion_of(config, model, model.masses)
    offset = torch.arange(N_TRAJ, dtype=torch.float64) / N_TRAJ
    positions = (-1.2 + SPEED * config.dt * offset)[:, None, None]
    momenta = torch.full_like(positions, SPEED * MASS)
    state = start_in_state(model, positions, momenta, masses=model.masses, active_state=first)
    state = motion.begin(state, model)
    while float(state.positions.min()) < 1.2:
        state = motion.step(state, model).state
    assert state.active_state.min() >= 1 or first == 0
    return state.active_state


CASES = [(name, dt) for name in ENERGIES_ONLY for dt in (0.7, 0.3) if (name, dt) != ("curvature", 0.3)]


@pytest.mark.parametrize(("name", "dt_fs"), CASES)
@pytest.mark.parametrize("first", [1, 2])
def test_an_uncoupled_crossing_is_followed_along_the_line_wherever_the_steps_fall(name, first, dt_fs):
    behind = states_behind(0.0, dt_fs, first, ENERGIES_ONLY[name])
    assert torch.equal(behind, torch.full_like(behind, 3 - first))


@pytest.mark.parametrize(("name", "dt_fs"), CASES)
@pytest.mark.parametrize("coupling", [0.0025, 0.005])
def test_an_avoided_crossing_is_passed_as_by_landau_and_zener_wherever_the_steps_fall(name, coupling, dt_fs):
    exact = math.exp(-2 * math.pi * coupling**2 / (2 * SLOPE * SPEED))
    assert 0.5 < exact < 0.95
    passed = (states_behind(coupling, dt_fs, 2, ENERGIES_ONLY[name]) == 1).double()
    # Early and late crossings in a step alike.
    for part in (passed, passed[: N_TRAJ // 2], passed[N_TRAJ // 2 :]):
        assert abs(float(part.mean()) - exact) < 3 * math.sqrt(exact * (1 - exact) / len(part))


@pytest.mark.parametrize("name", ENERGIES_ONLY)
def test_a_state_that_crosses_nothing_stays(name):
    behind = states_behind(0.0025, 0.7, 0, ENERGIES_ONLY[name])
    assert torch.equal(behind, torch.zeros_like(behind))


def gaps_to_energies(gap):
    return torch.stack([torch.zeros_like(gap), gap], dim=-1)


def turned(gap_of, times, dt):
    """The angle by which two states turn from the first of the times on, one row an offset."""
    energies = gaps_to_energies(gap_of(times))
    state = SimpleNamespace(energies=energies[:, 0], active_state=torch.zeros(len(times), dtype=torch.int64))
    known, total = begin_curvature(state), []
    for step in range(1, times.shape[1]):
        turns, known = turns_from_curvature(known, energies[:, step - 1], energies[:, step], dt=dt)
        assert float(turns.min()) >= 0.0
        total.append(turns[:, :, 0].sum(1))
    return torch.stack(total, 1)


@pytest.mark.parametrize("coupling", [0.02, 0.002, 1e-5, 0.0])
def test_two_states_turn_by_the_angle_of_their_mixing(coupling):
    rate, dt = 3e-4, 7.0
    times = dt * (torch.arange(-20, 21).double() + torch.arange(40).double()[:, None] / 40)
    angles = turned(lambda t: torch.sqrt(4 * coupling**2 + (rate * t) ** 2), times, dt)
    exact = 0.5 * torch.atan2(rate * times, torch.full_like(times, 2 * coupling))
    # A zero of the time is the crossing itself, half of the angle on each side.
    assert float((angles.cumsum(1)[:, 5:] - (exact[:, 6:] - exact[:, 1:2])).abs().max()) < 3e-6
    assert float(angles[:, 0].abs().max()) == 0.0


def test_a_crossing_of_bent_lines_is_counted_once():
    rate, dt = 3e-4, 7.0
    times = dt * (torch.arange(-20, 21).double() + torch.arange(40).double()[:, None] / 40)
    for bend in (1e-3, -1e-3):
        angles = turned(lambda t, bend=bend: (rate * t * (1.0 + bend * t)).abs(), times, dt)
        large = angles > 0.5
        # One or two steps share it, and what bent lines pretend beside the crossing is little.
        assert float((angles.sum(1) - 0.5 * math.pi).abs().max()) < 0.4
        assert float(angles.sum(1).max() - angles.sum(1).min()) < 0.12
        assert int(large.sum(1).min()) >= 1 and int(large.sum(1).max()) <= 2


def test_small_steps_give_the_coupling_of_the_published_formula():
    model = tully(1)

    def gap(times):
        levels = torch.linalg.eigvalsh(model.evaluate(0.01 * times.reshape(-1, 1, 1)).hamiltonian)
        return (levels[:, 1] - levels[:, 0]).reshape(times.shape)

    # Half of the root of g''/g by differences so small that their errors do not count, where g'' > 0.
    times, areas = torch.arange(-600, 600, 0.5, dtype=torch.float64), []
    g = gap(times)
    second = (g[2:] - 2.0 * g[1:-1] + g[:-2]) / 0.25
    exact = float(0.25 * torch.sqrt(torch.clamp(second / g[1:-1], min=0.0)).sum())
    for dt in (8.0, 2.0):
        areas.append(float(turned(gap, torch.arange(-600, 600, dt, dtype=torch.float64)[None], dt).sum()))
    assert abs(areas[1] - exact) < 0.03
    assert abs(areas[1] - exact) < 0.5 * abs(areas[0] - exact)


def test_the_parabola_of_squares_knows_straight_lines_at_uneven_steps():
    generator = torch.Generator().manual_seed(1)
    rate, coupling, offset = torch.rand(3, 50, generator=generator, dtype=torch.float64)
    gap = lambda t: torch.sqrt(coupling**2 + (rate * (t - offset)) ** 2)  # noqa: E731
    since, until = torch.tensor(0.7, dtype=torch.float64), torch.tensor(1.9, dtype=torch.float64)
    found = parabola(gap(-since), gap(torch.zeros(())), gap(until), since=since, until=until)
    torch.testing.assert_close(found.squared_rate, rate**2, rtol=1e-9, atol=0)
    torch.testing.assert_close(found.smallest, coupling**2, rtol=0, atol=1e-12)


@pytest.mark.parametrize("width", [10.0, 0.5, 0.05])
def test_who_turns_round_behind_a_crossing_turns_its_states_back_by_as_much(width):
    # In steps: g^2 = s^2 (x^2 + width^2), through the crossing at 0, round at `end` and back.
    for places in (0.0, 0.3, 0.6):
        for end in (0.3, 1.0, 5.0):
            x = -30.0 + places + torch.arange(80, dtype=torch.float64)
            x = x[: int((x < end).sum()) + 1]
            path = torch.cat([x, x[:-1].flip(0)])
            gap = 0.01 * torch.sqrt(path * path + width * width)
            energies = torch.stack([torch.zeros_like(gap), gap], 1)[:, None]
            first = SimpleNamespace(energies=energies[0], active_state=torch.zeros(1, dtype=torch.int64))
            known, made = begin_curvature(first), []
            for step in range(1, len(path)):
                turns, known = turns_from_curvature(known, energies[step - 1], energies[step], dt=1.0)
                made.append(float(turns.sum()))
                if step == len(x) - 1:
                    known = replace(known, smooth_steps=torch.full_like(known.smooth_steps, -1))
            there, back = sum(made[: len(x) - 1]), sum(made[len(x) - 1 :])
            assert back == pytest.approx(there, rel=0.02)


def wall_of_two_states():
    def evaluate(positions):
        x = positions[:, 0, 0]
        zero, coupling = torch.zeros_like(x), torch.full_like(x, 8e-4)
        rows = [torch.stack([zero, coupling], 1), torch.stack([coupling, -0.006 * x], 1)]
        return Evaluation(torch.stack(rows, 1), zero)

    return model_by_hand(evaluate, torch.tensor([2000.0], dtype=torch.float64), 2)


def test_a_refused_hop_is_known_to_have_turned_round_only_where_its_momenta_did():
    model, seen = wall_of_two_states(), {}
    for frustrated in ("keep", "reverse"):
        content = {"initial": {"position_au": 0, "momentum_au": 1, "n": 1}, "time_fs": 100, "dt_fs": 0.5}
        content |= {"method": "fssh", "propagation": "curvature", "seed": 3, "frustrated": frustrated}
        config = parse_configuration(content, RunConfiguration, where="test")
        motion = motion_of(config, model, model.masses)
        positions = torch.full((200, 1, 1), -0.15, dtype=torch.float64)
        momenta = torch.full_like(positions, 1.8)
        state = start_in_state(model, positions, momenta, masses=model.masses, active_state=0)
        state, seen[frustrated] = motion.begin(state, model), []
        for _ in range(16):
            step = motion.step(state, model)
            state, refused = step.state, step.hops.row[~step.hops.accepted]
            seen[frustrated] += recall(state, GapHistory).smooth_steps[refused].tolist()
    assert len(seen["keep"]) > 20 and set(seen["keep"]) == {0}
    assert len(seen["reverse"]) > 20 and set(seen["reverse"]) == {-1}
