"""Frames are as alike as they are, however they lie in space; trajectories and copies are told."""

import numpy as np
import pytest

from nadyn.data import group_from_arrays, load_dataset
from nadyn.data.similarity import (
    consecutive_closeness,
    fingerprints,
    is_from_trajectories,
    nearest_distances,
    neighbour_distance,
    typical_distance,
)

BASE = np.array([[0.0, 0.0, 0.0], [1.8, 0.3, 0.0], [-0.9, 1.7, 0.2], [-0.8, -0.9, 1.5]])


def _group(positions, atoms=(7, 1, 1, 1), **more):
    energies = np.zeros((len(positions), 1))
    return group_from_arrays(
        "a", atomic_numbers=np.array(atoms), positions=positions, energies=energies, **more
    )


def _independent(n, seed=0, spread=0.1):
    return BASE + spread * np.random.default_rng(seed).standard_normal((n, 4, 3))


def _walk(n, step, seed=0):
    """An oscillating molecule, a frame every `step` of a period."""
    generator = np.random.default_rng(seed)
    phases, sizes = generator.random((4, 3)) * 2 * np.pi, 0.2 * generator.standard_normal((4, 3))
    periods = generator.uniform(0.7, 1.4, (4, 3))
    times = step * np.arange(n)[:, None, None]
    return BASE + sizes * np.sin(2 * np.pi * times / periods + phases)


def test_a_fingerprint_does_not_see_place_direction_reflection_and_the_order_of_like_atoms():
    positions = _independent(5)
    turn, _ = np.linalg.qr(np.random.default_rng(3).standard_normal((3, 3)))
    moved = (positions @ -turn)[:, [0, 3, 1, 2]] + [5.0, -2.0, 1.0]
    np.testing.assert_allclose(fingerprints(_group(moved)), fingerprints(_group(positions)), atol=1e-12)
    other = fingerprints(_group(positions[:, [1, 0, 2, 3]]))
    assert np.abs(other - fingerprints(_group(positions))).max() > 0.1
    # Atoms of a file in another order, elements and all.
    reordered = fingerprints(_group(positions[:, [1, 2, 0, 3]], (1, 1, 7, 1)))
    np.testing.assert_allclose(reordered, fingerprints(_group(positions)), atol=1e-12)


def test_a_fingerprint_of_a_crystal_does_not_see_through_which_side_an_atom_left():
    cell = np.broadcast_to(np.diag([8.0, 9.0, 10.0]), (5, 3, 3)).copy()
    positions = _independent(5)
    wrapped = positions.copy()
    wrapped[:, 2] += [8.0, 0.0, -10.0]
    groups = [_group(x, cell=cell, pbc=(True, True, True)) for x in (positions, wrapped)]
    np.testing.assert_allclose(*map(fingerprints, groups), atol=1e-10)


def test_many_distances_are_mixed_down_and_keep_how_far_frames_are_apart():
    generator = np.random.default_rng(1)
    base = 3.0 * np.stack(np.meshgrid(*[np.arange(3)] * 3), axis=-1).reshape(1, 27, 3)
    atoms = tuple(range(1, 28))
    amplitude = np.linspace(0.05, 0.5, 12)[:, None, None]
    group = _group(base + amplitude * generator.standard_normal((12, 27, 3)), atoms)
    mixed = fingerprints(group)
    assert mixed.shape == (12, 128)
    first, second = np.triu_indices(27, 1)
    distances = np.linalg.norm(group.positions[:, first] - group.positions[:, second], axis=-1)
    for i in range(12):
        whole = np.sqrt(((distances - distances[i]) ** 2).mean(axis=1))
        ratio = np.sqrt(((mixed - mixed[i]) ** 2).mean(axis=1))[whole > 0] / whole[whole > 0]
        assert 0.7 < ratio.min() <= ratio.max() < 1.4


def test_the_nearest_frame_is_that_of_all_pairs_and_a_copy_is_at_zero():
    frames = fingerprints(_group(_independent(40)))
    others = fingerprints(_group(_independent(300, seed=1)))
    others[17] = frames[5]
    expected = [min(np.sqrt(((frame - other) ** 2).mean()) for other in others) for frame in frames]
    found = nearest_distances(frames, others)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert found[5] == 0.0


def test_frames_of_a_trajectory_follow_each_other_and_independent_ones_do_not():
    assert is_from_trajectories(_group(_walk(400, 0.02)))
    assert not is_from_trajectories(_group(_independent(400)))
    shuffled = np.random.default_rng(0).permutation(400)
    assert not is_from_trajectories(_group(_walk(400, 0.02)[shuffled]))
    # Once a period there is nothing left of the order.
    assert not is_from_trajectories(_group(_walk(400, 7.3)))
    assert consecutive_closeness(fingerprints(_group(_independent(400)))) == pytest.approx(1.0, abs=0.15)
    # Too few to tell, and no distance at all.
    assert not is_from_trajectories(_group(_walk(19, 0.02)))
    assert not is_from_trajectories(_group(np.random.default_rng(0).random((30, 1, 3)), (1,)))


def test_published_sets_of_random_frames_are_no_trajectories(fixtures):
    assert not is_from_trajectories(load_dataset(fixtures / "ethanol_60_frames.h5").groups[0])


@pytest.mark.parametrize("n", [30, 3000])
def test_independent_frames_are_seldom_neighbours(n):
    frames, others = fingerprints(_group(_independent(200, seed=8))), fingerprints(_group(_independent(n)))
    near = nearest_distances(frames, others) < neighbour_distance(n, 4) * typical_distance(others)
    assert near.mean() < 0.05
    moved = _group(_independent(n)[:30] + 0.002)
    shaken = fingerprints(_group(moved.positions + 0.002 * np.random.default_rng(2).random((30, 4, 3))))
    near = nearest_distances(shaken, others) < neighbour_distance(n, 4) * typical_distance(others)
    assert near.all()
