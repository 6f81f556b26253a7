"""Frames that stand alone: absurd energies, and atoms that left without a trace."""

import warnings
from dataclasses import replace

import numpy as np

from nadyn.checks.errors import InputWarning
from nadyn.data import group_from_arrays
from nadyn.data.label_checks.absurd_energies import absurd_energies
from nadyn.data.label_checks.lone_atoms import lone_atoms
from nadyn.data.label_checks.table import doubts

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


def test_one_absurd_energy_among_few_frames_or_in_a_crystal_is_named():
    assert absurd_energies(water(15)) is None
    found = absurd_energies(water(15, energies={11: 3.0}))
    assert found.frames.tolist() == [frame == 11 for frame in range(15)] and "eV from the" in found.sentence
    cell = np.tile(20 * np.eye(3), (60, 1, 1))
    crystal = replace(water(energies={17: 3.0}), pbc=np.array([True] * 3), cell=cell)
    assert np.flatnonzero(absurd_energies(crystal).frames).tolist() == [17]
    # Elsewhere neighbours are compared, and it is named once.
    (only,) = doubts(water(energies={17: 3.0}))
    assert np.flatnonzero(only.frames).tolist() == [17]


def test_many_energies_far_away_are_a_reaction_and_no_mistake():
    assert absurd_energies(water(15, energies=dict.fromkeys(range(3), 0.5))) is None


def test_an_atom_that_left_without_a_trace_is_named_and_one_that_was_followed_is_not():
    assert lone_atoms(water()) is None
    found = lone_atoms(water(pulled=[30.0]))
    assert "in 1 of 60 frames (0) H has no neighbour within 6 angstrom" in found.sentence
    # It may serve as a reference energy.
    assert found.frames is None
    assert lone_atoms(water(pulled=1.8 * 1.25 ** np.arange(14))) is None
    # A gap on the way is a hole, wherever it is.
    assert lone_atoms(water(pulled=[*(1.8 * 1.25 ** np.arange(5)), 9.0, 11.0, 30.0])) is not None
    assert found in doubts(water(pulled=[30.0]))
