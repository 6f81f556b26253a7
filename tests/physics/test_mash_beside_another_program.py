"""MASH on Tully's models beside an independent program, whose numbers benchmarks/mash_reference.py made."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from nadyn.dynamics.hops.attempts import along
from nadyn.dynamics.initial.start import start_in_state
from nadyn.dynamics.methods.mash import begin_mash, on_active_state, weighted_active_states
from nadyn.dynamics.methods.mash_crossing import Mash, mash_step
from nadyn.dynamics.methods.multistate_mash import (
    adiabatic_estimate,
    along_boundary,
    begin_multistate_mash,
)
from nadyn.dynamics.state.batch import select
from nadyn.models.analytic.tully import tully

pytestmark = pytest.mark.usefixtures("unchecked_annotations")

TABLE = json.loads((Path(__file__).parents[2] / "benchmarks" / "mash_reference.json").read_text())
ROWS = [(name, row) for name in ("mash", "multistate_mash_focused") for row in TABLE[name]]
# By default a case of each method: reflection in the third model, and the estimator of many states.
QUICK = {("mash", 3, 20), ("multistate_mash_focused", 1, 30)}


def branching(name, variant, momentum, n, dt):
    """Return the contributions of each trajectory to T0, T1, R0, R1."""
    model = tully(variant)
    positions = torch.full((n, 1, 1), -10.0, dtype=torch.float64)
    momenta = torch.full_like(positions, momentum)
    state = start_in_state(model, positions, momenta, masses=model.masses, active_state=0)
    if name == "mash":
        state = begin_mash(state, model, model.masses, seed=variant + momentum)
        options, populations = Mash(dt, model.masses, along("nac")), weighted_active_states
    else:
        state = begin_multistate_mash(state, model, model.masses, seed=variant + momentum, sampling="focused")
        options, populations = Mash(dt, model.masses, along_boundary), adiabatic_estimate
    found = []
    while len(state.trajectory):
        state = mash_step(state, model, options).state
        outside = (state.positions.abs() > 10.0) & (state.positions * state.momenta > 0)
        gone = outside[:, 0, 0]
        ended = select(state, gone)
        right = (ended.positions > 0)[:, 0]
        found.append(torch.cat([populations(ended) * right, populations(ended) * ~right], dim=1))
        state = select(state, ~gone)
        assert state.step < 5000
    return torch.cat(found).numpy()


def ends_of_single_trajectories(name, dt, make):
    """Return the states of those trajectories whose start the other program wrote down, and its table."""
    table = TABLE["one_by_one"][name]
    model = tully(table["model"])
    parts = torch.tensor(table["amplitudes"], dtype=torch.float64).reshape(-1, 2, 2)
    positions = torch.full((len(parts), 1, 1), -10.0, dtype=torch.float64)
    momenta = torch.full_like(positions, table["k"])
    state = make(start_in_state(model, positions, momenta, masses=model.masses, active_state=0), model)
    coefficients = state.eigenvectors.mT.to(torch.complex128) @ torch.view_as_complex(parts)[:, :, None]
    state = on_active_state(
        replace(state, coefficients=coefficients[:, :, 0].contiguous()), model, model.masses
    )
    direction = along("nac") if name == "mash" else along_boundary
    while state.positions.min() < 6.0:
        state = mash_step(state, model, Mash(dt, model.masses, direction)).state
    return state, table


def test_single_trajectories_end_as_in_an_independent_program():
    """From the same spin both are deterministic; the electrons of that program are of first order in dt."""
    state, table = ends_of_single_trajectories("mash", 20.0, lambda state, model: state)
    same = state.active_state == torch.tensor(table["active"])
    assert same.double().mean() > 0.95
    # More than an accident: as many hopped as did not.
    assert 0.3 < state.active_state.double().mean() < 0.7


def test_single_trajectories_of_many_states_end_as_in_an_independent_program():
    def make(state, model):
        return begin_multistate_mash(state, model, model.masses, seed=1, sampling="focused")

    state, table = ends_of_single_trajectories("multistate_mash_focused", 10.0, make)
    assert state.active_state.tolist() == table["active"]
    upper = torch.tensor(table["upper"], dtype=torch.float64)
    torch.testing.assert_close(state.coefficients[:, 1].abs() ** 2, upper, rtol=0, atol=2e-3)
    # More than an accident: they end in many mixtures.
    assert upper.std() > 0.1


@pytest.mark.parametrize(
    ("name", "row"),
    [
        pytest.param(
            name,
            row,
            id=f"{name}-{row['model']}-{row['k']}",
            marks=() if (name, row["model"], row["k"]) in QUICK else pytest.mark.slow,
        )
        for name, row in ROWS
    ],
)
def test_branching_is_that_of_an_independent_program(name, row):
    n, dt = (300, 30.0) if (name, row["model"], row["k"]) in QUICK else (1500, 10.0)
    values = branching(name, row["model"], row["k"], n, dt)
    assert len(values) == n and row["undecided"] == 0
    for column, outcome in enumerate(("T0", "T1", "R0", "R1")):
        mine = values[:, column]
        # Half a case is added to each side: nothing seen among n is no error of zero.
        own = np.sqrt(mine.var(ddof=1) / n + 0.25 / n**2)
        other = np.hypot(row[f"{outcome}_error"], 0.5 / row["n"])
        assert abs(mine.mean() - row[outcome]) < 3 * np.hypot(own, other), outcome
