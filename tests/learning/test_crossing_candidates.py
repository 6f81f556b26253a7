"""Candidates at the lowest crossings of a model, below where its swarm hopped."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from small_swarm import MODEL, small_swarm

import nadyn
from nadyn.learning.crossing_candidates import _starts, at_crossings
from nadyn.learning.picks import CROSSING, Candidate, pick
from nadyn.units import ELECTRONVOLT_PER_HARTREE


def test_the_lowest_crossings_of_a_model_are_asked_for(tmp_path, unchecked_annotations):
    model = nadyn.load_model(MODEL)
    found = at_crossings(small_swarm(tmp_path), model, "round 1, member 0", seed=1)
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
    swarm = small_swarm(tmp_path, time_fs=1, initial={"sample": "wigner", "n": 2, "state": 0})
    assert at_crossings(swarm, nadyn.load_model(MODEL), "round 1", seed=1) == []


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


def test_searches_begin_where_trajectories_were_lowest_among_narrow_gaps(unchecked_annotations):
    # Nine trajectories of two frames; the second frame is lower, but its gap is wide for the last three.
    lower = np.tile(np.arange(9.0)[::-1], (2, 1)) - np.array([[0.0], [0.5]])
    gap = np.full((2, 9), 0.01)
    gap[1, 6:] = 0.2
    gap[:, 3] = 0.2
    run = SimpleNamespace(
        energies=np.stack([lower, lower + gap], axis=2),
        positions=np.arange(18.0).reshape(2, 9, 1, 1) * np.ones((1, 1, 4, 3)),
        time_fs=np.array([0.0, 0.5]),
        alive=lambda: np.ones((2, 9), dtype=bool),
    )
    found = _starts(run, (0, 1), np.random.default_rng(1))
    words = [where for _, where in found]
    assert words[:3] == ["trajectory 8 at 0.0 fs", "trajectory 7 at 0.0 fs", "trajectory 6 at 0.0 fs"]
    assert len(words) == 5 and all(one.endswith("0.5 fs") for one in words[3:])
    assert not any("trajectory 3 " in one for one in words)
    assert [one[0, 0] for one, _ in found[:3]] == [8.0, 7.0, 6.0]
