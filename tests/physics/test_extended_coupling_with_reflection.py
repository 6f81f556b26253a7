"""Tully's third model with reflection: who comes back has lost the other packet, and must not interfere."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from nadyn.dynamics.decoherence.moments import augmented
from nadyn.dynamics.initial.start import start_in_state
from nadyn.dynamics.methods.fssh import Fssh, fssh_begin, fssh_step
from nadyn.models.analytic.tully import tully

pytestmark = pytest.mark.usefixtures("unchecked_annotations")

FIXTURE = Path(__file__).parents[1] / "quantum" / "fixtures" / "tully_exact.json"
EXACT = {(row["model"], row["k"]): row for row in json.loads(FIXTURE.read_text())["rows"]}


@pytest.mark.parametrize("momentum", [15, 20])
def test_moments_collapse_the_packet_that_was_left_behind_before_the_coupling_is_passed_again(momentum):
    # All start with one momentum: without a collapse the second passage interferes with the first, and the
    # share that comes back on the lower state is 0.00 for k = 15 and 0.30 for k = 20.
    model, n_traj = tully(3), 200
    positions = torch.full((n_traj, 1, 1), -11.0, dtype=torch.float64)
    momenta = torch.full_like(positions, float(momentum))
    state = start_in_state(model, positions, momenta, masses=model.masses, active_state=0)
    options = Fssh(dt=400.0 / momentum, seed=5, masses=model.masses, decoherence=augmented())
    state, over = fssh_begin(state, model, options), False
    while not over and state.step < 1000:
        state = fssh_step(state, model, options).state
        x, p = state.positions[:, 0, 0], state.momenta[:, 0, 0]
        over = bool((((x > 4.0) & (p > 0)) | ((x < -11.0) & (p < 0))).all())
    assert over
    back = x < 0
    found = {
        "T0": (~back & (state.active_state == 0)).double().mean(),
        "R0": (back & (state.active_state == 0)).double().mean(),
        "R1": (back & (state.active_state == 1)).double().mean(),
    }
    for name, share in found.items():
        exact = EXACT[3, momentum][name]
        assert abs(float(share) - exact) < 3 * np.sqrt(exact * (1 - exact) / n_traj), (name, share, exact)
