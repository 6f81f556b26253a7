"""Steps that a trajectory divides for itself."""

import sys
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from slow_cases import slow_where

from nadyn.checks.configuration import parse_configuration
from nadyn.checks.errors import InputError
from nadyn.dynamics.initial.start import start_in_diabatic_state, start_in_state
from nadyn.dynamics.methods.adaptive import DividedSteps, Division, divided_step, division_of
from nadyn.dynamics.methods.fssh import Fssh, fssh_stepping
from nadyn.dynamics.methods.method import Stepping, smallest_gap, smallest_gap_of_neighbours
from nadyn.dynamics.methods.nve import nve_drift
from nadyn.dynamics.methods.table import METHODS, find_method, motion_of
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.dynamics.spins.spin_adiabatic import LEVEL_WIDTH, spin_adiabatic
from nadyn.dynamics.state import random_numbers
from nadyn.dynamics.state.batch import ARRAYS
from nadyn.dynamics.state.energies import potential_energy
from nadyn.dynamics.state.memory import recall
from nadyn.dynamics.state.random_numbers import Draws
from nadyn.models.analytic.tully import tully
from nadyn.models.model import Coordinates, Evaluation
from nadyn.units import HARTREE_PER_EV

sys.path.append(str(Path(__file__).parents[1]))
from spin_models import SpinMolecule
from toy_molecule import start

pytestmark = pytest.mark.usefixtures("unchecked_annotations")


def counted(stepping):
    """A method, and a list in which the lengths of all its drifts are written, once a trajectory."""
    lengths = []

    def drift(state, model, dt):
        lengths.extend([dt] * len(state.trajectory))
        return stepping.drift(state, model, dt)

    return replace(stepping, drift=drift), lengths


def crossing(division, n_traj=15):
    """Largest energy error and steps of a trajectory through Tully's first crossing."""
    model, dt = tully(1), 40.0
    positions = torch.full((n_traj, 1, 1), -4.0, dtype=torch.float64)
    state = start_in_state(
        model, positions, torch.full_like(positions, 20.0), masses=model.masses, active_state=0
    )
    stepping, lengths = counted(fssh_stepping(Fssh(dt=dt, seed=1, masses=model.masses)))
    for _ in range(20):
        state = divided_step(state, model, stepping, division, dt=dt, draws=Draws(1)).state
    assert state.step == 20 and float(state.positions.min()) > 3.0
    return float(state.energy_error_max.max()), len(lengths) / n_traj


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
        motion_of(config, tully(1), tully(1).masses)


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


@pytest.mark.parametrize(
    "method", slow_where(lambda method: method not in ("fssh", "landau_zener", "ehrenfest"), ADAPTIVE)
)
def test_shorter_steps_near_the_gap_keep_the_energy_in_every_method_that_has_them(method):
    coarse = energy_error_of_run(method, None)
    fine = energy_error_of_run(method, {"energy_ev": 1e3, "gap_ev": 0.54, "shortest_dt_fs": 0.25})
    # Quarters of a step where the crossing is: a sixteenth of the error of second order.
    assert fine < 0.15 * coarse


def test_motion_on_one_state_has_steps_of_one_length():
    start = {"position_au": -4, "momentum_au": 20, "n": 3}
    for method in sorted(set(METHODS) - set(ADAPTIVE)):
        content = {"initial": start, "time_fs": 5, "method": method, "adaptive": {}}
        config = parse_configuration(content, RunConfiguration, where="run")
        with pytest.raises(InputError, match=f"`adaptive` must be left out for method {method}"):
            find_method(config)
    assert set(METHODS) - set(ADAPTIVE) == {"nve", "nvt", "npt"}


def test_the_gap_of_a_mean_is_that_of_the_closest_neighbours():
    model = tully(1)
    positions = torch.tensor([0.0, -5.0], dtype=torch.float64)[:, None, None]
    state = start_in_state(model, positions, 0 * positions, masses=model.masses, active_state=1)
    energies = torch.tensor([[0.0, 0.5, 0.7], [-1.0, 0.0, 3.0]], dtype=torch.float64)
    found = smallest_gap_of_neighbours(replace(state, energies=energies))
    assert found.tolist() == pytest.approx([0.2, 1.0], abs=1e-15)


@pytest.mark.parametrize("shortest", [0.26, 0.7])
def test_a_shortest_part_that_divides_nothing_is_refused(shortest):
    start = {"position_au": -4, "momentum_au": 20, "n": 1}
    content = {"initial": start, "time_fs": 5, "method": "fssh", "adaptive": {"shortest_dt_fs": shortest}}
    config = parse_configuration(content, RunConfiguration, where="run")
    with pytest.raises(InputError, match=f"half of `dt_fs`, 0.25 fs, .* but is {shortest}. Try 0.031"):
        division_of(config)


@pytest.mark.parametrize(
    ("dt_fs", "shortest", "expected"),
    # The last one: 0.3 / 0.15 is 2 in decimals only.
    [(0.5, 0.02, 0.03125), (0.5, 0.125, 0.125), (0.6, 0.2, 0.3), (0.3, 0.15, 0.15)],
)
def test_no_part_of_a_step_is_shorter_than_the_shortest_one(dt_fs, shortest, expected):
    adaptive = {"energy_ev": 1e3, "gap_ev": 1e3, "shortest_dt_fs": shortest}
    start = {"position_au": -4, "momentum_au": 20, "n": 1}
    content = {"initial": start, "time_fs": 5, "dt_fs": dt_fs, "method": "fssh", "adaptive": adaptive}
    config, model = parse_configuration(content, RunConfiguration, where="run"), tully(1)
    stepping, lengths = counted(Stepping(partial(nve_drift, masses=model.masses)))
    positions = torch.full((1, 1, 1), -4.0, dtype=torch.float64)
    momenta = torch.full_like(positions, 20.0)
    state = start_in_state(model, positions, momenta, masses=model.masses, active_state=0)
    divided_step(state, model, stepping, division_of(config), dt=config.dt, draws=Draws(1))
    assert min(lengths) / config.dt * dt_fs == pytest.approx(expected, rel=1e-12)


@dataclass(frozen=True)
class ThreeLevels:
    """Levels at -0.05, 0 and 0.4 eV, the upper two coupled by 0.2 eV exp(-x^2).

    The lower two are close for ever, which a trajectory on the upper one does not feel: where it hops, it
    comes to a state with a close neighbour. With `crossing` the upper two meet, 0.15 eV apart, and the lowest
    keeps 0.05 eV below the middle one.
    """

    crossing: bool = False

    name: ClassVar[str] = "three levels"
    coordinates: ClassVar[Coordinates] = "generalised"
    laws: ClassVar[frozenset[str]] = frozenset()
    atomic_numbers: ClassVar[None] = None
    fixed_diabatic_basis: ClassVar[bool] = True
    block_width: ClassVar[int] = 64
    shortest_distances: ClassVar[None] = None
    n_states: ClassVar[int] = 3
    n_basis: ClassVar[int] = 3

    @property
    def masses(self):
        return torch.tensor([2000.0], dtype=torch.float64)

    def evaluate(self, positions):
        x = positions[:, 0, 0]
        zero, coupling = torch.zeros_like(x), 0.2 * torch.exp(-x * x)
        if self.crossing:
            slope, coupling = 0.3 * torch.tanh(x), zero + 0.075
            lowest = -torch.sqrt(slope * slope + coupling * coupling) - 0.05
            rows = [[lowest, zero, zero], [zero, slope, coupling], [zero, coupling, -slope]]
            matrix = torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)
            return Evaluation(matrix * HARTREE_PER_EV, zero)
        rows = [[zero - 0.05, zero, zero], [zero, zero, coupling], [zero, coupling, zero + 0.4]]
        matrix = torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)
        return Evaluation(matrix * HARTREE_PER_EV, zero)


def on_each_level(method, adaptive, n, *, seed=1, keys=None):
    """Trajectories on each state after the coupling, the hops, and the mean number of divided steps."""
    start = {"position_au": -6, "momentum_au": 20, "n": n}
    content = {"initial": start, "time_fs": 32, "dt_fs": 0.5, "method": method, "seed": seed, **(keys or {})}
    config = parse_configuration({**content, "adaptive": adaptive}, RunConfiguration, where="run")
    # Without amplitudes there are hops where a gap has a minimum only.
    model = ThreeLevels(crossing=method in ("landau_zener", "zhu_nakamura"))
    ready = motion_of(config, model, model.masses)
    positions = torch.full((n, 1, 1), -6.0, dtype=torch.float64)
    momenta = torch.full_like(positions, 20.0)
    state = ready.begin(start_in_state(model, positions, momenta, masses=model.masses, active_state=2), model)
    hops = 0
    for _ in range(config.n_steps):
        step = ready.step(state, model)
        state, hops = step.state, hops + int(step.hops.accepted.sum())
    divided = float(recall(state, DividedSteps).n.mean()) if adaptive else 0.0
    return torch.bincount(state.active_state, minlength=3).numpy(), hops, divided


def assert_no_choice_by_outcome(method, n, keys=None):
    """Undivided and divided populations agree, with a seed each; steps on the lower levels are divided."""
    whole, hops, _ = on_each_level(method, None, n, keys=keys)
    divided, _, steps = on_each_level(
        method, {"gap_ev": 0.1, "energy_ev": 1.0, "shortest_dt_fs": 0.25}, n, seed=2, keys=keys
    )
    assert hops > 0 and steps > 0.5
    error = np.sqrt((whole * (n - whole) + divided * (n - divided)) / n)
    assert (np.abs(whole - divided) <= 3.0 * error + 1e-9).all(), (whole, divided)


# Every method that draws hops, and every correction that draws a collapse.
DRAWN = {
    "fssh": ("fssh", {"decoherence": "none"}),
    "fssh, shared loss": ("fssh", {"decoherence": "none", "options": {"probability": "shared_loss"}}),
    "fssh, instantaneous": ("fssh", {"decoherence": {"name": "instantaneous"}}),
    "fssh, afssh": ("fssh", {"decoherence": {"name": "afssh"}}),
    "fssh, state reordering": ("fssh", {"decoherence": "none", "propagation": "state_reordering"}),
    "gfsh": ("gfsh", {"decoherence": "none"}),
    "dish": ("dish", {"options": {"dephasing_fs": 3}}),
    "landau_zener": ("landau_zener", {}),
    "zhu_nakamura": ("zhu_nakamura", {}),
}


# The assignment of states goes row by row: a long test.
@pytest.mark.parametrize(
    "case",
    slow_where(
        lambda case: case not in ("fssh, instantaneous", "gfsh", "landau_zener", "zhu_nakamura"),
        [case for case in DRAWN if "reordering" not in case],
    ),
)
def test_whether_a_step_is_divided_does_not_depend_on_where_it_hopped(case):
    method, keys = DRAWN[case]
    assert_no_choice_by_outcome(method, 60, keys)


@pytest.mark.slow
@pytest.mark.parametrize("case", DRAWN)
def test_whether_a_step_is_divided_does_not_depend_on_where_it_hopped_in_thousands(case):
    method, keys = DRAWN[case]
    assert_no_choice_by_outcome(method, 4000, keys)


def test_every_method_with_divided_steps_hops_by_chance_in_the_test_above_or_draws_no_hop():
    certain = {"mash", "multistate_mash", "ehrenfest", "spin_lsc", "sqc"}
    # CSDM draws its pointer state, which is not where the nuclei are: its gap is that of neighbours.
    assert set(ADAPTIVE) == {method for method, _ in DRAWN.values()} | certain | {"csdm"}


# The drift of npt is that of nvt.
@pytest.mark.parametrize("name", sorted(set(METHODS) - {"npt"}))
def test_a_drift_draws_nothing(name, monkeypatch):
    # What is judged is the drift alone; nothing random may be in it, whatever the seed.
    model, drifts = tully(1), []
    keys = {"thermostat": {"temperature_kelvin": 300}} if name == "nvt" else {}
    begun = None
    for seed in (1, 2):
        start = {"position_au": -1, "momentum_au": 20, "n": 3}
        content = {"initial": start, "time_fs": 5, "method": name, "seed": seed, **keys}
        config = parse_configuration(content, RunConfiguration, where="run")
        stepping = find_method(config).build(config, model, model.masses)
        if begun is None:
            positions = torch.linspace(-1.0, 1.0, 9, dtype=torch.float64)[:, None, None]
            begun = start_in_diabatic_state(
                model, positions, 0 * positions + 20, masses=model.masses, diabatic_state=0, seed=1
            )
            begun = stepping.begin(begun, model)
        with monkeypatch.context() as patch:
            patch.setattr(random_numbers, "_uniform", None)
            drifts.append(stepping.drift(begun, model, 40.0).after)
    for array in ARRAYS:
        assert torch.equal(getattr(drifts[0], array), getattr(drifts[1], array)), array
    assert float((drifts[0].positions - begun.positions).abs().min()) > 0.1


def test_states_of_one_spin_level_ask_for_no_shorter_step():
    # The three M_S of a triplet are at one energy for ever; a state of another level is not.
    model = SpinMolecule()
    states = spin_adiabatic(model, model.masses, seed=1, dt=10.0)
    positions, momenta = start(20, momentum=5.0)
    state = start_in_diabatic_state(model, positions, momenta, masses=model.masses, diabatic_state=1, seed=4)
    state = states.begin(state, model)
    gaps = (state.energies - potential_energy(state.energies, state.active_state)[:, None]).abs()
    expected = torch.where(gaps > LEVEL_WIDTH, gaps, torch.inf).amin(1)
    torch.testing.assert_close(states.gap(state), expected)
    level = replace(state, energies=torch.zeros_like(state.energies))
    level.energies[:, 2:] = 0.02
    level = replace(level, active_state=torch.zeros_like(level.active_state))
    assert smallest_gap(level).tolist() == [0.0] * 20
    assert states.gap(level).tolist() == pytest.approx([0.02] * 20)
