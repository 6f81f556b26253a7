"""Candidates at the lowest crossings of a model, below where its swarm hopped."""

import numpy as np
import pytest
import torch

import nadyn
from nadyn.learning.crossing_candidates import at_crossings
from nadyn.learning.picks import CROSSING, Candidate, pick
from nadyn.shipped import path
from nadyn.trajectory import open_run
from nadyn.units import ELECTRONVOLT_PER_HARTREE

MODEL = path("ammonia/ammonia_trajectories.safetensors")


def _swarm(folder, **keys):
    config = {
        "model": str(MODEL),
        "initial": {"sample": "wigner", "n": 8, "state": 1},
        "method": "fssh",
        "dt_fs": 0.5,
        "time_fs": 16,
        "seed": 4,
        "output": str(folder / "swarm.h5"),
    }
    nadyn.run(config | keys, progress=False)
    return folder / "swarm.h5"


def test_crossings_below_the_hops_and_places_beside_them_are_asked_for(tmp_path, unchecked_annotations):
    model = nadyn.load_model(MODEL)
    found = at_crossings(open_run(_swarm(tmp_path)), model, "round 1, member 0", seed=1)
    assert found and {one.kind for one in found} == {CROSSING}
    assert [one.rank for one in found] == list(range(len(found)))
    energies = nadyn.surfaces(model, torch.from_numpy(np.stack([one.positions for one in found]))).energies
    assert (energies.mean(dim=1).diff() >= 0.0).all()
    gaps = (energies[:, 1] - energies[:, 0]).numpy() * ELECTRONVOLT_PER_HARTREE
    assert gaps.max() < 0.02
    # The lowest crossing of ammonia, beside the minimum of the ground state (`ammonia_crossings.py`).
    minimum = nadyn.surfaces(model, model.starting_geometry[None]).energies[0, 0]
    lowest = float(energies.mean(dim=1).min() - minimum) * ELECTRONVOLT_PER_HARTREE
    assert lowest == pytest.approx(5.0, abs=0.5)
    assert "lowest crossing of S0 and S1 from trajectory" in found[0].why


def test_without_a_narrow_gap_there_is_nothing_to_ask(tmp_path):
    swarm = _swarm(tmp_path, time_fs=1, initial={"sample": "wigner", "n": 2, "state": 0})
    assert at_crossings(open_run(swarm), nadyn.load_model(MODEL), "round 1", seed=1) == []


def test_crossings_have_a_share_of_their_own_and_leave_the_rest_to_stops():
    rng = np.random.default_rng(1)
    kinds = ["crossing"] * 6 + ["stop"] * 20
    candidates = [
        Candidate(3.0 * rng.standard_normal((4, 3)), kind, "", rank=-number)
        for number, kind in enumerate(kinds)
    ]
    picked = pick(candidates, np.zeros((0, 4, 3)), (7, 1, 1, 1), n=10, shares={CROSSING: 0.3}, seed=1)
    assert [one.kind for one in picked] == ["crossing"] * 3 + ["stop"] * 7
    # The lowest first.
    assert [one.rank for one in picked[:3]] == [-5, -4, -3]


def test_a_crossing_with_a_label_close_by_leaves_its_place_to_a_higher_one():
    rng = np.random.default_rng(2)
    geometries = 3.0 * rng.standard_normal((3, 4, 3))
    candidates = [Candidate(one, CROSSING, "", rank=k) for k, one in enumerate(geometries)]
    labelled = geometries[:1] + 0.01 * rng.standard_normal((1, 4, 3))
    picked = pick(candidates, labelled, (7, 1, 1, 1), n=10, shares={CROSSING: 0.2}, seed=1)
    assert [one.rank for one in picked] == [1, 2]
