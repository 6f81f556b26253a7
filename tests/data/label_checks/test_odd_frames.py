"""Frames that stand alone: absurd energies and atoms that left without a trace, found when data are read."""

import warnings

import numpy as np
import pytest

from nadyn.checks.errors import InputWarning
from nadyn.data import group_from_arrays
from nadyn.data.label_checks.odd_frames import absurd_energies, lone_atoms

WATER = np.array([[0.0, 0.0, 0.0], [1.8, 0.0, 0.0], [-0.4, 1.75, 0.0]])


def water(n=60, *, pulled=None, energies=None):
    """Frames of water; in the first ones a hydrogen is at the distances `pulled` [bohr]."""
    rng = np.random.default_rng(5)
    positions = WATER + 0.03 * rng.standard_normal((n, 3, 3))
    for frame, distance in enumerate(() if pulled is None else pulled):
        positions[frame, 1] = positions[frame, 0] + [distance, 0.0, 0.0]
    values = -76.0 + 0.01 * rng.standard_normal((n, 2)) + [0.0, 0.3]
    for frame, value in (energies or {}).items():
        values[frame] += value
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InputWarning)
        return group_from_arrays("water", atomic_numbers=[8, 1, 1], positions=positions, energies=values)


def test_one_absurd_energy_is_named():
    assert absurd_energies(water()) is None
    assert "frame 17 is more than 20 spreads" in absurd_energies(water(energies={17: 3.0})).sentence


def test_many_energies_far_away_are_a_reaction_and_no_mistake():
    assert absurd_energies(water(energies=dict.fromkeys(range(6), 0.5))) is None


def test_an_atom_that_left_without_a_trace_is_named_and_one_that_was_followed_is_not():
    assert lone_atoms(water()) is None
    sentence = lone_atoms(water(pulled=[30.0])).sentence
    assert "frame 0 is at its end, H with no neighbour within 6 angstrom" in sentence
    assert lone_atoms(water(pulled=1.8 * 1.25 ** np.arange(14))) is None
    # A gap on the way is a hole, wherever it is.
    assert lone_atoms(water(pulled=[*(1.8 * 1.25 ** np.arange(5)), 9.0, 11.0, 30.0])) is not None


def test_reading_says_both():
    rng = np.random.default_rng(1)
    positions = WATER + 0.03 * rng.standard_normal((40, 3, 3))
    positions[3, 2] += 50.0
    energies = -76.0 + 0.01 * rng.standard_normal((40, 1))
    energies[9] += 20.0
    with pytest.warns(InputWarning) as caught:
        group_from_arrays("water", atomic_numbers=[8, 1, 1], positions=positions, energies=energies)
    texts = [str(one.message) for one in caught]
    assert any("frame 9 is more than 20 spreads" in text for text in texts)
    assert any("frame 3 is at its end" in text for text in texts)
