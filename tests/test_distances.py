"""Distances in cells of any shape, against all images written out."""

from itertools import product

import numpy as np
import pytest

from nadyn.data import Dataset, group_from_arrays
from nadyn.data.label_checks.bond_lengths import closest_pairs
from nadyn.data.statistics import group_statistics
from nadyn.structures.distances import close_pairs, closest_approach, nearest_image_distances
from nadyn.training.build import shortest_distances
from nadyn.units import ANGSTROM_PER_BOHR

CELLS = {
    "cubic": np.eye(3) * 7.0,
    "rhombic": np.array([[6.0, 0, 0], [5.4, 3.0, 0], [0, 0, 8.0]]),
    "sheared": np.array([[6.0, 0, 0], [17.0, 5.0, 0], [-13.0, 11.0, 6.5]]),
    "flat": np.array([[3.0, 0, 0], [0, 3.2, 0], [2.9, 3.1, 14.0]]),
}
PBC = [(True, True, True), (True, False, True), (False, False, True)]
CUTOFF = 6.3


def brute_force(positions, cell, pbc):
    """Return the shortest distance of each pair over all images within 9 cells, own ones too."""
    shifts = np.array(list(product(*(range(-9, 10) if periodic else (0,) for periodic in pbc)))) @ cell
    vectors = positions[None, :, None] - positions[None, None, :] + shifts[:, None, None]
    distances = np.linalg.norm(vectors, axis=-1)
    return np.where(distances < 1e-9, np.inf, distances).min(axis=0)


@pytest.mark.parametrize("pbc", PBC)
@pytest.mark.parametrize("shape", CELLS)
def test_the_closest_image_is_found_in_skewed_cells(shape, pbc):
    cell = CELLS[shape]
    positions = np.random.default_rng(3).random((5, 3)) @ cell
    expected = brute_force(positions, cell, pbc)
    found = closest_approach(positions[None], cutoff=CUTOFF, cell=cell[None], pbc=pbc)
    np.testing.assert_allclose(found, np.where(expected < CUTOFF, expected, np.inf), rtol=1e-12)


def test_every_pair_within_the_cutoff_is_there_once():
    cell = CELLS["sheared"]
    positions = np.random.default_rng(4).random((5, 3)) @ cell
    shifts = np.array(list(product(range(-9, 10), repeat=3))) @ cell
    lengths = []
    for i in range(5):
        for j in range(i, 5):
            all_of_pair = np.linalg.norm(positions[j] + shifts - positions[i], axis=-1)
            near = np.sort(all_of_pair[(all_of_pair > 1e-9) & (all_of_pair < CUTOFF)])
            # An atom and its own image are seen along +T and -T.
            lengths += list(near[::2] if i == j else near)
    found = close_pairs(positions, cutoff=CUTOFF, cell=cell, pbc=(True, True, True)).distances
    np.testing.assert_allclose(np.sort(found), np.sort(lengths), rtol=1e-12)


@pytest.mark.parametrize("pbc", PBC)
@pytest.mark.parametrize("shape", CELLS)
def test_the_nearest_image_of_every_pair_is_found_however_far(shape, pbc):
    cell = CELLS[shape]
    positions = np.random.default_rng(6).random((2, 6, 3)) @ cell * 1.7
    found = nearest_image_distances(positions, np.stack([cell, cell]), np.array(pbc))
    rows, columns = np.triu_indices(6, k=1)
    for frame in range(2):
        expected = brute_force(positions[frame], cell, pbc)[rows, columns]
        np.testing.assert_allclose(found[frame], expected, rtol=1e-12)


@pytest.mark.parametrize("shape", CELLS)
def test_all_who_ask_for_a_shortest_distance_get_the_same(shape):
    cell = CELLS[shape]
    positions = np.random.default_rng(5).random((4, 3)) @ cell
    group = group_from_arrays(
        "salt",
        atomic_numbers=[11, 11, 17, 17],
        positions=positions[None],
        energies=np.zeros((1, 1)),
        cell=cell[None],
        pbc=(True, True, True),
    )
    expected = brute_force(positions, cell, group.pbc)
    shortest = group_statistics(group).shortest_angstrom["Na-Cl"] / ANGSTROM_PER_BOHR
    assert shortest == pytest.approx(expected[:2, 2:].min())
    table = shortest_distances(Dataset((group,)), (11, 17))
    for row, column, block in ((0, 0, expected[:2, :2]), (0, 1, expected[:2, 2:]), (1, 1, expected[2:, 2:])):
        assert table[row, column] == table[column, row] == pytest.approx(block.min())
    pairs = closest_pairs(group)
    assert pairs.distances[0] == pytest.approx(expected[pairs.first[0], pairs.second[0]])


def test_without_a_cell_there_are_no_images_and_no_cutoff_is_needed():
    positions = np.array([[[0.0, 0, 0], [0, 0, 50.0], [0, 1.0, 0]], [[0.0, 0, 0], [0, 0, 40.0], [0, 2.0, 0]]])
    found = closest_approach(positions, cutoff=np.inf)
    assert found[0, 1] == 40.0 and found[0, 2] == 1.0 and np.isinf(np.diag(found)).all()
    assert close_pairs(positions[0], cutoff=1.5).distances == [1.0]
