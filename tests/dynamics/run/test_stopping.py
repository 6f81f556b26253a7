"""One trajectory's failure stops that one, for a stated reason, and leaves the bits of the others alone."""

from dataclasses import replace

import pytest
import torch
from toy_molecule import ToyMolecule, start

from nadyn.dynamics.initial.start import start_in_state
from nadyn.dynamics.methods.fssh import Fssh, fssh_step
from nadyn.dynamics.methods.nve import Nve, nve_step
from nadyn.dynamics.run.ensemble import after_step, finished, gathered, start_ensemble
from nadyn.dynamics.run.stopping import ADVICE, Limits, Status, statuses
from nadyn.dynamics.state.batch import ARRAYS, take_back
from nadyn.models.analytic.tully import tully
from nadyn.models.contacts import contacts_by_element

pytestmark = pytest.mark.usefixtures("unchecked_annotations")

WIDE = Limits(max_energy_step=1.0)


def begin(model, positions, momenta):
    return start_in_state(model, positions, momenta, masses=model.masses, active_state=1)


def run(model, state, n_steps, limits, options):
    ensemble = start_ensemble(state)
    for _ in range(n_steps):
        step = fssh_step(ensemble.running, model, options)
        ensemble, _ = after_step(ensemble, step, statuses(ensemble.running, step, model, limits))
    return finished(ensemble, n_steps)


def torn_apart(model, n_traj=17, rogue=6):
    """A batch in which one molecule flies apart within a few steps."""
    positions, momenta = start(n_traj)
    momenta[rogue, 3, 2] = 150.0
    return positions, momenta


@pytest.mark.parametrize(
    ("model", "limits", "reason"),
    [
        (ToyMolecule(broken_beyond=6.0), WIDE, Status.NOT_FINITE),
        (ToyMolecule(novelty_beyond=6.0), WIDE, Status.OUTSIDE_TRAINING),
        (ToyMolecule(), Limits(max_energy_step=3e-3), Status.ENERGY_STEP),
    ],
)
def test_a_failing_trajectory_stops_and_leaves_the_others_alone(model, limits, reason):
    rogue, n_steps = 6, 8
    options = Fssh(dt=15.0, seed=2, masses=model.masses)
    positions, momenta = torn_apart(model)
    with_rogue = run(model, begin(model, positions, momenta), n_steps, limits, options)
    harmless = begin(model, *start(17))
    without = run(ToyMolecule(), harmless, n_steps, WIDE, options)
    assert with_rogue.status.tolist() == [int(reason) if t == rogue else 0 for t in range(17)]
    assert without.status.tolist() == [0] * 17
    others = torch.arange(17) != rogue
    for name in ARRAYS:
        mine, theirs = getattr(with_rogue.everyone, name), getattr(without.everyone, name)
        assert torch.equal(mine[others], theirs[others]), name
        # What is kept of the stopped one is its last sound step.
        if name not in ("surplus_gap",):
            assert torch.isfinite(torch.view_as_real(mine) if mine.is_complex() else mine).all(), name
    last = int(with_rogue.last_step[rogue])
    assert 0 < last < n_steps - 1
    assert (with_rogue.last_step[others.numpy()] == n_steps).all()


def test_the_kept_state_of_a_stopped_trajectory_is_the_step_before_the_failure():
    model = ToyMolecule(novelty_beyond=6.0)
    options = Nve(dt=15.0, masses=model.masses)
    state = begin(model, *torn_apart(model))
    ensemble = start_ensemble(state)
    history = [state]
    for _ in range(8):
        step = nve_step(ensemble.running, model, options)
        ensemble, _ = after_step(ensemble, step, statuses(ensemble.running, step, model, WIDE))
        history.append(nve_step(history[-1], model, options).state)
    ensemble = gathered(ensemble)
    last = int(ensemble.last_step[6])
    assert torch.equal(ensemble.everyone.positions[6], history[last].positions[6])
    assert history[last].novelty[6] == 0 and history[last + 1].novelty[6] == 1


def test_atoms_closer_than_in_training_stop_a_trajectory():
    positions, momenta = start(7)
    distances = torch.cdist(positions, positions).amin(0)
    # Each atom an element of its own.
    model = ToyMolecule(shortest_distances=contacts_by_element((1, 2, 3, 4, 5), (1, 2, 3, 4, 5), distances))
    still = nve_step(begin(model, positions, 0 * momenta), model, Nve(dt=1e-6, masses=model.masses))
    state = begin(model, positions, 0 * momenta)
    assert (statuses(state, still, model, WIDE) == Status.RUNNING).all()
    moved = positions.clone()
    moved[4, 3] = moved[4, 0] + 0.85 * distances[0, 3] * torch.tensor([0.0, 0.6, 0.8], dtype=torch.float64)
    closer = replace(still, state=replace(still.state, positions=moved))
    expected = [int(Status.CLOSE_ATOMS) if t == 4 else int(Status.RUNNING) for t in range(7)]
    assert statuses(state, closer, model, WIDE).tolist() == expected


def test_a_small_surplus_gap_and_a_lost_state_are_intruders():
    model = ToyMolecule(n_states=2)
    state = begin(model, *start(7))
    step = nve_step(state, model, Nve(dt=1e-6, masses=model.masses))
    sound = replace(step, state=replace(step.state, surplus_gap=torch.full((7,), 0.02, dtype=torch.float64)))
    assert (statuses(state, sound, model, WIDE) == Status.RUNNING).all()
    gap = sound.state.surplus_gap.clone()
    gap[2] = 0.0036
    intruder = torch.arange(7) == 5
    lost = replace(sound, state=replace(sound.state, surplus_gap=gap), intruder=intruder)
    expected = [int(Status.INTRUDER_STATE) if t in (2, 5) else int(Status.RUNNING) for t in range(7)]
    assert statuses(state, lost, model, WIDE).tolist() == expected


def test_a_trajectory_ends_where_it_leaves_the_region_outward_only():
    model = tully(1)
    positions = torch.tensor([-10.5, -10.5, 10.5, 3.0], dtype=torch.float64)[:, None, None]
    momenta = torch.tensor([20.0, -20.0, 20.0, 20.0], dtype=torch.float64)[:, None, None]
    state = begin(model, positions, momenta)
    step = nve_step(state, model, Nve(dt=1.0, masses=model.masses))
    codes = statuses(state, step, model, Limits(max_energy_step=1.0, beyond=10.0)).tolist()
    assert codes == [Status.RUNNING, Status.LEFT_REGION, Status.LEFT_REGION, Status.RUNNING]
    ensemble, _ = after_step(start_ensemble(state), step, torch.tensor(codes))
    # Leaving is no failure: the step counts.
    assert ensemble.last_step.tolist() == [0, 1, 1, 0]
    assert torch.equal(ensemble.everyone.positions[1:3], step.state.positions[1:3])


def test_taking_a_step_back_restores_every_array():
    model = ToyMolecule()
    old = begin(model, *start(7))
    new = nve_step(old, model, Nve(dt=15.0, masses=model.masses)).state
    rows = torch.arange(7) % 2 == 0
    mixed = take_back(new, old, rows)
    for name in ARRAYS:
        assert torch.equal(getattr(mixed, name)[rows], getattr(old, name)[rows])
        assert torch.equal(getattr(mixed, name)[~rows], getattr(new, name)[~rows])


def test_where_atoms_come_too_close_a_repulsion_is_recommended():
    advice = ADVICE[Status.CLOSE_ATOMS]
    assert "add such geometries to the data" in advice and "train with `repulsion: zbl`" in advice


def test_every_reason_has_one_sentence_of_advice():
    reasons = set(Status) - {Status.FINISHED, Status.RUNNING}
    assert set(ADVICE) == reasons
    assert all(text.count(". ") == 0 and text.endswith(".") for text in ADVICE.values())
