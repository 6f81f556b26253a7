"""Rules of hopping, amplitudes and decoherence against exact answers."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from coupling_step import ENDS, coupling_step, exact_upper_population
from linear_crossing import EXACT, MASS, SPEED, linear_crossing

from nadyn.checks.configuration import parse_configuration
from nadyn.dynamics.initial.start import start_in_state
from nadyn.dynamics.methods.table import motion_of
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.models.analytic.tully import tully

pytestmark = pytest.mark.usefixtures("unchecked_annotations")

FIXTURE = Path(__file__).parents[1] / "quantum" / "fixtures" / "tully_exact.json"
TULLY = {(row["model"], row["k"]): row for row in json.loads(FIXTURE.read_text())["rows"]}
N_TRAJ = 400


def final_states(model, momentum, first, last, dt_fs, **keys):
    content = {"initial": {"position_au": 0, "momentum_au": 1, "n": 1}, "time_fs": 100, "dt_fs": dt_fs}
    config = parse_configuration({**content, "seed": 5, **keys}, RunConfiguration, where="test")
    ready = motion_of(config, model, model.masses)
    positions = torch.full((N_TRAJ, 1, 1), first, dtype=torch.float64)
    state = start_in_state(
        model, positions, torch.full_like(positions, momentum), masses=model.masses, active_state=0
    )
    state = ready.begin(state, model)
    while float(state.positions.min()) < last and state.step < 1000:
        state = ready.step(state, model).state
    assert float(state.positions.min()) >= last
    return state


def upper(state):
    return (state.active_state == 1).double().mean().item()


def gate(fraction):
    return 3 * np.sqrt(fraction * (1 - fraction) / N_TRAJ)


@pytest.mark.parametrize(
    "keys",
    [
        {"method": "landau_zener"},
        {"method": "zhu_nakamura"},
        {"method": "gfsh", "decoherence": "none"},
        {"method": "fssh", "decoherence": "none", "propagation": "npi"},
        {"method": "fssh", "decoherence": "none", "propagation": "tdc"},
        {"method": "fssh", "decoherence": "none", "propagation": "curvature"},
        {"method": "fssh", "decoherence": "none", "propagation": "state_reordering"},
    ],
    ids=lambda keys: f"{keys['method']} {keys.get('propagation', '')}",
)
def test_a_linear_crossing_is_passed_with_the_probability_of_landau_and_zener(keys):
    state = final_states(linear_crossing(), SPEED * MASS, -6.0, 6.0, 0.6, **keys)
    assert abs(upper(state) - EXACT) < gate(EXACT)


@pytest.mark.parametrize(
    ("momentum", "keys"),
    [
        # Energy-based damping acts inside the crossing too, the more the slower it is passed.
        (30, {"name": "sdm"}),
        (30, {"name": "edc", "damps": "populations"}),
        (20, {"name": "afssh"}),
        (20, {"name": "shxf", "width_bohr": 0.5}),
    ],
    ids=lambda keys: str(keys["name"]) if isinstance(keys, dict) else "",
)
def test_decoherence_leaves_the_branching_at_a_single_crossing(momentum, keys):
    exact = TULLY[1, momentum]["T1"]
    state = final_states(
        tully(1), float(momentum), -5.0, 5.0, 8.0 / momentum, method="fssh", decoherence=keys
    )
    assert abs(upper(state) - exact) < gate(exact)
    electronic = (state.coefficients[:, 1].abs() ** 2).mean().item()
    assert abs(electronic - upper(state)) < 3 * np.sqrt(0.25 / N_TRAJ)


@pytest.mark.parametrize("after", ["hop", "attempt"])
def test_a_collapse_at_hops_leaves_the_branching_of_a_transfer_that_only_grows(after):
    # Where a crossing gives and takes, as a linear one does, a collapse in the middle spoils the rest.
    exact = exact_upper_population()
    state = final_states(
        coupling_step(),
        SPEED * MASS,
        *ENDS,
        0.6,
        method="fssh",
        decoherence={"name": "instantaneous", "after": after},
    )
    assert 0.08 < exact < 0.12 and abs(upper(state) - exact) < gate(exact)
    # Who has hopped forgot the other state and got back what came later; who has not is not collapsed.
    # Without a collapse the first would have 0.89 there.
    squares = state.coefficients.abs() ** 2
    hopped = state.active_state == 1
    assert float(squares[hopped, 0].max()) < 0.11
    torch.testing.assert_close(
        squares[~hopped, 1].median(), torch.tensor(exact, dtype=torch.float64), rtol=0.05, atol=0
    )
