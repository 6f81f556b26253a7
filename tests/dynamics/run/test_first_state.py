"""The state of a first run file is the one that light excites, of the multiplicity of the ground state."""

from dataclasses import replace

import pytest
import torch
from contracts.untrained import untrained

from nadyn.dynamics.run.first_state import first_state
from nadyn.electronic.surfaces import surfaces
from nadyn.models.analytic import pyrazine, sulfur_dioxide
from nadyn.models.heads.dipole import DipoleSettings


@pytest.fixture(scope="module")
def so2():
    return sulfur_dioxide("triplets")


def test_it_is_a_diabatic_state_where_dipoles_tell_which_one(so2):
    keys, called = first_state(so2)
    assert keys == {"diabatic_state": 1} and called.startswith("diabatic state 1 (S1), with an oscillator")
    # Light that couples the ground state to S2 alone, and more to a triplet that it cannot reach.
    dipoles = torch.zeros_like(so2.dipoles)
    dipoles[0, 2, 0] = dipoles[2, 0, 0] = 0.1
    assert first_state(replace(so2, dipoles=dipoles))[0] == {"diabatic_state": 2}


def test_without_dipoles_it_is_the_highest_of_the_lowest_multiplicity(so2):
    assert first_state(replace(so2, dipoles=None))[0] == {"state": 2, "multiplicity": 1}
    assert first_state(pyrazine(4))[0] == {"state": 1}
    assert first_state(sulfur_dioxide("singlets"))[0] == {"diabatic_state": 1}


def test_of_a_learned_model_it_is_the_state_that_absorbs_most_at_the_stored_geometry():
    found = set()
    geometry = torch.tensor([[0.1, 0.0, 0.7], [0.9, 1.5, 0.0], [-1.7, 0.2, 0.1], [0.8, -1.4, -0.1]])
    for seed in range(6):
        model = untrained("moments", "4x0e", n_states=4, heads=(DipoleSettings(0),), seed=seed).double()
        model = replace(model, starting_geometry=geometry.double())
        there = surfaces(model, geometry.double()[None])
        gaps = there.energies[0] - there.energies[0, 0]
        expected = int((gaps * (there.dipoles[0, 0] ** 2).sum(-1)).argmax())
        assert first_state(model)[0] == {"state": expected}
        found.add(expected)
    # Not always the highest.
    assert len(found) > 1
