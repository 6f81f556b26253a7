"""Decoherence that acts at hops, by moments and by auxiliary trajectories."""

import pytest
import torch

from nadyn.dynamics.decoherence.correction import collapse
from nadyn.dynamics.decoherence.exact_factorisation import Auxiliaries, exact_factorisation
from nadyn.dynamics.decoherence.instantaneous import instantaneous
from nadyn.dynamics.decoherence.moments import collapse_states
from nadyn.dynamics.initial.start import start_in_state
from nadyn.dynamics.methods.fssh import Fssh, fssh_begin, fssh_step
from nadyn.dynamics.state.memory import recall
from nadyn.models.analytic.tully import tully

pytestmark = pytest.mark.usefixtures("unchecked_annotations")


def test_a_collapse_keeps_the_phase_of_the_active_state():
    c = torch.tensor([[0.6j, 0.8], [0.0, 1.0]], dtype=torch.complex128)
    found = collapse(c, torch.tensor([0, 0]))
    torch.testing.assert_close(found, torch.tensor([[1j, 0.0], [1.0, 0.0]], dtype=torch.complex128))


def test_a_collapsing_state_gives_its_population_to_the_active_one():
    c = torch.tensor([[0.6j, 0.48, 0.64], [0.6, 0.48, 0.64]], dtype=torch.complex128)
    collapsing = torch.tensor([[False, True, False], [False, False, False]])
    found = collapse_states(c, torch.tensor([0, 2]), collapsing)
    expected = torch.tensor([[(0.36 + 0.2304) ** 0.5 * 1j, 0.0, 0.64], [0.6, 0.48, 0.64]])
    torch.testing.assert_close(found, expected.to(torch.complex128), rtol=0, atol=1e-7)
    assert torch.equal(found[1], c[1])


def through_the_crossing(decoherence, momentum=20.0, steps=70, n_traj=60, dt=20.0):
    model = tully(1)
    positions = torch.full((n_traj, 1, 1), -4.0, dtype=torch.float64)
    state = start_in_state(
        model, positions, torch.full_like(positions, momentum), masses=model.masses, active_state=0
    )
    options = Fssh(dt=dt, seed=2, masses=model.masses, decoherence=decoherence)
    state, hopped = fssh_begin(state, model, options), []
    for _ in range(steps):
        step = fssh_step(state, model, options)
        for row in step.hops.row[step.hops.accepted].tolist():
            hopped.append(float(step.state.coefficients[row].abs()[step.state.active_state[row]]))
        state = step.state
    return state, hopped


def test_after_a_hop_all_population_is_on_the_active_state():
    _, sizes = through_the_crossing(instantaneous(after="hop"), steps=30)
    assert len(sizes) > 10 and min(sizes) == pytest.approx(1.0, abs=1e-14)


def test_auxiliary_trajectories_that_part_give_the_population_to_the_active_state():
    sharp, _ = through_the_crossing(exact_factorisation(width=0.05), steps=55, dt=40.0)
    own = (sharp.coefficients.abs() ** 2).gather(1, sharp.active_state[:, None])
    # The wave packets of the two states are then some widths apart.
    assert float(own.median()) > 0.99
    broad, _ = through_the_crossing(exact_factorisation(width=50.0), steps=55, dt=40.0)
    mixed = (broad.coefficients.abs() ** 2).gather(1, broad.active_state[:, None])
    assert float(mixed.median()) < 0.7
    assert bool(recall(broad, Auxiliaries).coherent.all())
