"""Tully's first model: branching against an independent program."""

import numpy as np
import pytest
import torch

from nadyn.dynamics.decoherence.correction import no_decoherence
from nadyn.dynamics.initial.start import start_in_state
from nadyn.dynamics.methods.fssh import Fssh, fssh_step
from nadyn.models.analytic.tully import tully

# Upper transmission of fewest switches without decoherence, 10,000 trajectories of another program, +- 0.005.
REFERENCE = {10: 0.155, 15: 0.325, 20: 0.501, 25: 0.623, 30: 0.725}
REFERENCE_ERROR = 0.005

pytestmark = pytest.mark.usefixtures("unchecked_annotations")


def upper_transmission(momentum, n_traj, dt, first):
    model = tully(1)
    positions = torch.full((n_traj, 1, 1), first, dtype=torch.float64)
    state = start_in_state(
        model, positions, torch.full_like(positions, momentum), masses=model.masses, active_state=0
    )
    options = Fssh(dt=dt, seed=momentum, masses=model.masses, decoherence=no_decoherence())
    while state.positions.min() < 6.0 and state.step < 10000:
        state = fssh_step(state, model, options).state
    assert (state.positions > 6.0).all()
    return (state.active_state == 1).double().mean().item(), state


def gate(fraction, n_traj):
    return 3 * np.sqrt(fraction * (1 - fraction) / n_traj + REFERENCE_ERROR**2)


def test_the_first_model_branches_as_in_an_independent_program():
    fraction, state = upper_transmission(20, 300, 15.0, -6.0)
    assert abs(fraction - REFERENCE[20]) < gate(REFERENCE[20], 300)
    # Electronic populations of all trajectories agree with the fraction on the state.
    electronic = (state.coefficients[:, 1].abs() ** 2).mean().item()
    assert abs(electronic - fraction) < 3 * np.sqrt(0.25 / 300)


@pytest.mark.slow
@pytest.mark.parametrize("momentum", REFERENCE)
def test_all_five_momenta_branch_as_in_an_independent_program(momentum):
    fraction, _ = upper_transmission(momentum, 2000, 5.0, -10.0)
    assert abs(fraction - REFERENCE[momentum]) < gate(REFERENCE[momentum], 2000)
