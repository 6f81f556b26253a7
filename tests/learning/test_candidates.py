"""Candidates of a swarm: stops where they stopped, small gaps, a fair draw of the rest."""

import numpy as np
import pytest
import torch
from small_swarm import MODEL, small_swarm

import nadyn
from nadyn.learning import candidates
from nadyn.learning.objections import Objections
from nadyn.learning.picks import GAP, RANDOM, STOP
from nadyn.units import ELECTRONVOLT_PER_HARTREE


@pytest.fixture(scope="module")
def swarm(tmp_path_factory):
    # So narrow a bound that some are stopped on the way.
    return small_swarm(tmp_path_factory.mktemp("swarm"), max_energy_step_ev=0.01)


def test_each_stop_gives_the_geometry_that_stopped_it(swarm):
    found = candidates.stops(swarm, "round 1, member 0")
    names = [swarm.status_names[int(code)] for code in swarm.status]
    stopped = [trajectory for trajectory, name in enumerate(names) if name != "finished"]
    assert stopped and len(found) == len(stopped) and {one.kind for one in found} == {STOP}
    for trajectory, one in zip(stopped, found, strict=True):
        # That step is taken back: the geometry of the stop is one step on from the last frame.
        last = swarm.last_step[trajectory]
        step = one.positions - np.array(swarm.positions[last, trajectory])
        before = np.diff(np.array(swarm.positions[last - 1 : last + 1, trajectory]), axis=0)[0]
        assert 0.0 < np.abs(step - before).max() < 0.3 * np.abs(step).max()
        assert f"trajectory {trajectory} " in one.why and names[trajectory] in one.why


def test_those_at_random_are_valid_frames_and_no_start(swarm):
    found = candidates.at_random(swarm, "round 1", Objections(novelty=1.0), seed=3)
    assert {one.kind for one in found} == {RANDOM}
    valid = np.array(swarm.positions)[swarm.alive()]
    starts = np.array(swarm.positions[0])
    for one in found[:40]:
        assert np.abs(valid - one.positions).max(axis=(1, 2)).min() == 0.0
        assert np.abs(starts - one.positions).max(axis=(1, 2)).min() > 0.0
    again = candidates.at_random(swarm, "round 1", Objections(novelty=1.0), seed=3)
    assert [one.why for one in again] == [one.why for one in found]


def test_the_smallest_gap_of_each_trajectory_is_asked_for(swarm):
    found = candidates.at_small_gaps(swarm, "round 1")
    gaps = np.diff(np.array(swarm.energies), axis=2)[..., 0] * ELECTRONVOLT_PER_HARTREE
    gaps = np.where(swarm.alive(), gaps, np.inf)[1:]
    small = gaps.min(axis=0) < 1.0
    assert len(found) == small.sum() > 0 and {one.kind for one in found} == {GAP}


def test_descents_from_upper_states_come_to_smaller_gaps(swarm, unchecked_annotations):
    model = nadyn.load_model(MODEL)
    found = candidates.down_the_gap(
        swarm, model, lambda at: torch.ones(len(at), dtype=torch.bool), "round 1", seed=1
    )
    energies = nadyn.surfaces(model, torch.from_numpy(np.stack([one.positions for one in found]))).energies
    reached = (energies[:, 1] - energies[:, 0]).numpy() * ELECTRONVOLT_PER_HARTREE
    assert np.median(reached) < 0.15
    assert np.median(np.diff(np.array(swarm.energies), axis=2)) * ELECTRONVOLT_PER_HARTREE > 0.5


def test_frames_at_random_leave_out_trajectories_whose_labels_train(swarm):
    found = candidates.at_random(swarm, "round 1", Objections(novelty=1.0), seed=3, but_first=6)
    assert found and all(int(one.why.split("trajectory ")[1].split()[0]) >= 6 for one in found)
