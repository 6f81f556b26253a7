"""Molecular dynamics on a learned surface: the energy error is of second order in the step."""

from itertools import pairwise

import pytest
import torch
from contracts.models import MODELS
from contracts.untrained import untrained

from nadyn.dynamics.initial.start import start_in_state
from nadyn.dynamics.methods.nve import Nve, nve_step

pytestmark = pytest.mark.usefixtures("unchecked_annotations")

# Variance of momentum over mass [hartree] and longest step [au]: fast and long enough for an error far above
# the noise of float32.
THERMAL = 3e-3
STEP = 20.0


def largest_errors(active_state, *, dt, n_steps, n_traj=5):
    model = untrained("moments", "2x0e + 1x1o")
    positions = MODELS["invariant matrix, moments"].positions(n_traj)
    generator = torch.Generator().manual_seed(8)
    noise = torch.randn(positions.shape, dtype=torch.float64, generator=generator)
    momenta = noise * torch.sqrt(THERMAL * model.masses)[:, None]
    state = start_in_state(model, positions, momenta, masses=model.masses, active_state=active_state)
    options = Nve(dt=dt, masses=model.masses)
    for _ in range(n_steps):
        state = nve_step(state, model, options).state
    return state.energy_error_max


@pytest.mark.parametrize("active_state", [0, 1])
def test_the_energy_error_on_a_learned_surface_falls_with_the_square_of_the_step(active_state):
    errors = [largest_errors(active_state, dt=STEP / k, n_steps=12 * k) for k in (1, 2, 4)]
    # The networks compute in float32; what they round to must not be what is measured here.
    assert errors[2].min() > 1e-7
    for longer, shorter in pairwise(errors):
        assert (longer / shorter).tolist() == pytest.approx([4.0] * 5, abs=0.5)
