"""Diverse picks: far from what is known, far from each other, blind to turns and numbering."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from nadyn.data.farthest_points import farthest_first
from nadyn.learning.diversity import shapes

ETHYLENE = np.array(
    [[0, 0, 1.26], [0, 0, -1.26], [0, 1.74, 2.34], [0, -1.74, 2.34], [0, 1.74, -2.34], [0, -1.74, -2.34]]
)
NUMBERS = (6, 6, 1, 1, 1, 1)


def test_points_on_a_line_are_taken_from_the_ends_inward():
    line = np.linspace(0.0, 1.0, 5)[:, None]
    assert list(farthest_first(line, np.array([[0.0]]), 3)) == [4, 2, 1]


def test_without_anything_known_the_first_is_farthest_from_the_mean():
    points = np.array([[0.0], [0.1], [0.2], [5.0]])
    assert list(farthest_first(points, np.zeros((0, 1)), 2)) == [3, 0]


def test_no_more_are_taken_than_differ():
    points = np.array([[0.0], [1.0], [1.0], [1.05]])
    assert list(farthest_first(points, np.array([[0.0]]), 4, closest=0.1)) == [3]
    assert len(farthest_first(points, np.array([[0.0]]), 4)) == 2
    assert len(farthest_first(np.zeros((0, 1)), points, 4)) == 0


def test_every_point_of_a_cloud_is_near_a_chosen_one():
    cloud = np.random.default_rng(1).random((400, 2))
    chosen = farthest_first(cloud, np.zeros((0, 2)), 25)
    reach = np.sqrt(((cloud[:, None] - cloud[chosen]) ** 2).mean(axis=2)).min(axis=1).max()
    at_random = np.sqrt(((cloud[:, None] - cloud[:25]) ** 2).mean(axis=2)).min(axis=1).max()
    assert reach < 0.15 and reach < 0.8 * at_random


def test_shapes_know_neither_orientation_nor_the_order_of_like_atoms():
    turned = ETHYLENE @ Rotation.random(random_state=1).as_matrix().T + 1.0
    renumbered = turned[[1, 0, 5, 3, 4, 2]]
    mirrored = ETHYLENE * [1, 1, -1]
    frames = np.stack([ETHYLENE, turned, renumbered, mirrored])
    found = shapes(frames, NUMBERS)
    np.testing.assert_allclose(found, np.broadcast_to(found[0], found.shape), atol=1e-12)


def test_a_bond_counts_more_than_how_far_away_a_fragment_is():
    def with_hydrogen_at(distance: float) -> np.ndarray:
        moved = ETHYLENE.copy()
        moved[2] = moved[0] + distance * (moved[2] - moved[0]) / np.linalg.norm(moved[2] - moved[0])
        return moved

    found = shapes(np.stack([with_hydrogen_at(d) for d in (2.0, 2.5, 12.0, 12.5)]), NUMBERS)
    bound, free = np.linalg.norm(found[1] - found[0]), np.linalg.norm(found[3] - found[2])
    assert free == pytest.approx(0.0, abs=0.1 * bound)
