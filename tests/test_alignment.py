"""Geometries laid on each other, and vectors without rigid motion."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from nadyn.structures.alignment import aligned_displacements, aligned_distances, rotation_onto
from nadyn.structures.rigid import rigid_motions, without_rigid_part

RANDOM = np.random.default_rng(3)
POINTS = RANDOM.normal(size=(5, 3))


def test_a_geometry_lies_on_its_turned_and_moved_copy():
    turn = Rotation.from_rotvec([0.4, -1.0, 2.0]).as_matrix()
    moved = POINTS @ turn + [1.0, 2.0, 3.0]
    np.testing.assert_allclose(rotation_onto(POINTS, moved), turn, atol=1e-12)
    np.testing.assert_allclose(aligned_displacements(POINTS, moved), 0.0, atol=1e-12)
    np.testing.assert_allclose(aligned_distances(POINTS, moved[None]), 0.0, atol=1e-7)


def test_the_fast_distance_is_that_of_the_displacements():
    frames = RANDOM.normal(size=(4, 5, 3))
    slow = [np.sqrt((aligned_displacements(POINTS, frame) ** 2).sum(1).mean()) for frame in frames]
    np.testing.assert_allclose(aligned_distances(POINTS, frames), slow, rtol=1e-10)


def test_a_mirror_image_is_another_geometry():
    mirrored = POINTS * [1.0, 1.0, -1.0]
    assert np.linalg.det(rotation_onto(mirrored, POINTS)) == pytest.approx(1.0)
    assert aligned_distances(mirrored, POINTS[None])[0] > 0.1


@pytest.mark.parametrize(
    ("points", "periodic", "n"),
    [(POINTS, False, 6), (np.outer([0.0, 1.0, 2.5], [1.0, 2.0, 2.0]), False, 5), (POINTS, True, 3)],
)
def test_rigid_motions_are_six_five_of_a_line_and_three_in_a_cell(points, periodic, n):
    motions = rigid_motions(points, periodic=periodic)
    assert motions.shape == (n, points.size)
    np.testing.assert_allclose(motions @ motions.T, np.eye(n), atol=1e-12)


def test_what_is_left_of_a_vector_neither_moves_nor_turns_the_molecule():
    vectors = RANDOM.normal(size=(2, 5, 3))
    free = without_rigid_part(vectors, POINTS)
    np.testing.assert_allclose(free.sum(axis=1), 0.0, atol=1e-12)
    np.testing.assert_allclose(np.cross(POINTS, free).sum(axis=1), 0.0, atol=1e-12)
    np.testing.assert_allclose(without_rigid_part(free, POINTS), free, atol=1e-12)


def test_a_derivative_of_what_depends_on_distances_only_loses_nothing():
    pull = np.zeros_like(POINTS)
    pull[0], pull[1] = POINTS[0] - POINTS[1], POINTS[1] - POINTS[0]
    np.testing.assert_allclose(without_rigid_part(pull, POINTS), pull, atol=1e-12)


def test_a_missing_vector_stays_missing():
    vectors = np.full((2, 5, 3), np.nan)
    vectors[0] = 1.0
    free = without_rigid_part(vectors, POINTS)
    assert np.isnan(free[1]).all() and np.isfinite(free[0]).all()


@pytest.mark.parametrize("n_atoms", [2, 4])
def test_a_rod_is_laid_on_another_by_the_smallest_rotation(n_atoms):
    random = np.random.default_rng(5)
    for angle in (0.0, 1e-7, 0.3, 3.0):
        axis, across = np.linalg.qr(random.normal(size=(3, 2)))[0].T
        along = np.sort(random.normal(size=n_atoms))
        turned = np.cos(angle) * axis + np.sin(angle) * across
        moving, fixed = along[:, None] * axis + 2.0, along[:, None] * turned - 1.0
        q = rotation_onto(moving, fixed)
        assert np.abs((moving - moving.mean(0)) @ q - (fixed - fixed.mean(0))).max() < 1e-12
        assert np.abs(q @ q.T - np.eye(3)).max() < 1e-12 and np.linalg.det(q) > 0
        # The smallest one leaves what is across both as it is, and turns by the angle between them.
        third = np.cross(axis, across)
        assert np.abs(third @ q - third).max() < 1e-12
        assert np.trace(q) == pytest.approx(1 + 2 * np.cos(angle), abs=1e-12)


def test_a_rod_the_other_way_round_and_an_atom_are_turned_properly():
    rod = np.array([[0.0, 0.0, -1.0], [0.0, 0.0, 1.2]])
    q = rotation_onto(rod, -rod)
    assert np.abs((rod - rod.mean(0)) @ q + (rod - rod.mean(0))).max() < 1e-12
    assert np.linalg.det(q) == pytest.approx(1.0)
    assert np.array_equal(rotation_onto(rod[:1], rod[1:]), np.eye(3))
