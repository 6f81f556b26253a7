"""Diabatic states are found again from overlaps of adiabatic ones, whatever signs and outliers these have."""

import numpy as np
import pytest

from nadyn.electronic.diabatic.links import Links, links_after, links_between
from nadyn.electronic.diabatic.states import CONFIDENT, Overlaps, diabatic_states
from nadyn.structures.alignment import aligned_distances

N = 200


@pytest.fixture(scope="module")
def cloud():
    """Random geometries of four atoms, and a smooth matrix of three states on them."""
    generator = np.random.default_rng(3)
    base = np.array([[0.0, 0, 0], [2.0, 0, 0], [0, 2.2, 0], [0, 0, 1.9]])
    positions = base + 0.3 * generator.standard_normal((N, 4, 3))
    lengths = np.linalg.norm(positions[:, 1:] - positions[:, :1], axis=2) - [2.0, 2.2, 1.9]
    matrix = np.zeros((N, 3, 3))
    matrix[:, [0, 1, 2], [0, 1, 2]] = lengths + np.array([0.0, 0.1, 0.3])
    for (a, b), x in zip(((0, 1), (0, 2), (1, 2)), lengths[:, [1, 2, 0]].T, strict=True):
        matrix[:, a, b] = matrix[:, b, a] = 0.2 + 0.5 * x
    energies, vectors = np.linalg.eigh(matrix)
    vectors = vectors * generator.choice([-1.0, 1.0], size=(N, 1, 3))
    return positions, matrix, energies, vectors


def overlaps_of(vectors, links, scale=1.0):
    found = scale * vectors[links.first].swapaxes(1, 2) @ vectors[links.second]
    return Overlaps(found, found.copy())


def matrix_of(states, energies):
    return (states.vectors * energies[:, None, :]) @ states.vectors.swapaxes(1, 2)


def up_to_one_rotation(states, vectors, root):
    """Return how far the vectors are from the true ones turned by the matrix that makes the root the unit."""
    return np.abs(vectors[root].T @ vectors - states.vectors).max(axis=(1, 2))


def test_every_pair_of_near_geometries_is_linked_once(cloud):
    links = links_between(cloud[0])
    assert (links.first < links.second).all()
    assert len(np.unique(links.first * N + links.second)) == len(links)
    counted = np.bincount(np.concatenate([links.first, links.second]), minlength=N)
    assert counted.min() >= 30
    own = aligned_distances(cloud[0][links.second[0]], cloud[0][links.first[:1]])
    assert links.distance[0] == pytest.approx(own[0], abs=1e-12)


def test_links_after_an_exchange_are_to_the_exchanged_geometry(cloud):
    positions = cloud[0]
    links = links_after(positions, [0, 2, 1, 3])
    one, two = links.first[7], links.second[7]
    exchanged = positions[two][[0, 2, 1, 3]]
    own = aligned_distances(exchanged, positions[one][None])
    assert links.distance[7] == pytest.approx(own[0], abs=1e-12)


def test_states_are_those_of_the_matrix_whatever_the_signs(cloud):
    positions, matrix, energies, vectors = cloud
    links = links_between(positions)
    states = diabatic_states(links, overlaps_of(vectors, links, 0.8), energies)
    assert states.known.all()
    root = np.argmin(energies[:, 0])
    assert up_to_one_rotation(states, vectors, root).max() < 1e-6
    turned = vectors[root].T @ matrix @ vectors[root]
    assert np.abs(matrix_of(states, energies) - turned).max() < 1e-6


def test_links_that_contradict_all_others_do_not_count(cloud):
    positions, _, energies, vectors = cloud
    links = links_between(positions)
    overlaps = overlaps_of(vectors, links)
    generator = np.random.default_rng(5)
    wrong = generator.random(len(links)) < 0.05
    turns = np.linalg.qr(generator.standard_normal((wrong.sum(), 3, 3)))[0]
    overlaps.moved[wrong] = turns
    overlaps.standing[wrong] = turns
    states = diabatic_states(links, overlaps, energies)
    assert np.median(up_to_one_rotation(states, vectors, np.argmin(energies[:, 0]))) < 0.02
    assert 0.8 < states.agreement.mean() < 0.97


def test_a_geometry_with_another_solution_is_not_known(cloud):
    positions, _, energies, vectors = cloud
    links = links_between(positions)
    other = vectors.copy()
    generator = np.random.default_rng(7)
    strange = np.arange(20, 26)
    overlaps = overlaps_of(other, links)
    # Its states have nothing to do with those of any other.
    touched = np.isin(links.first, strange) | np.isin(links.second, strange)
    turns = np.linalg.qr(generator.standard_normal((touched.sum(), 3, 3)))[0]
    overlaps.moved[touched] = overlaps.standing[touched] = turns
    states = diabatic_states(links, overlaps, energies)
    assert (states.agreement[strange] < CONFIDENT).all()
    good = np.setdiff1d(np.arange(N), strange)
    assert np.quantile(up_to_one_rotation(states, vectors, np.argmin(energies[:, 0]))[good], 0.9) < 0.05


def test_weak_overlaps_of_standing_functions_are_left_to_the_moved_ones(cloud):
    positions, _, energies, vectors = cloud
    links = links_between(positions)
    moved = overlaps_of(vectors, links).moved
    fading = moved * np.array([1.0, 1.0, 0.1])
    fading[:, :, 2] = np.roll(fading[:, :, 1], 1, axis=0) * 0.1
    states = diabatic_states(links, Overlaps(moved, fading), energies)
    assert up_to_one_rotation(states, vectors, np.argmin(energies[:, 0])).max() < 0.5
    # Nothing speaks for them: not one label is told to be known.
    fade = diabatic_states(links, Overlaps(moved, 0.0 * moved), energies)
    assert not fade.known.any()
    assert up_to_one_rotation(fade, vectors, np.argmin(energies[:, 0])).max() < 1e-6


def test_islands_without_a_link_keep_frames_of_their_own(cloud):
    positions, _, energies, vectors = cloud
    links = links_between(positions)
    kept = (links.first < 100) == (links.second < 100)
    links = Links(links.first[kept], links.second[kept], links.distance[kept])
    states = diabatic_states(links, overlaps_of(vectors, links), energies)
    root = np.argmin(energies[:, 0])
    apart = up_to_one_rotation(states, vectors, root)
    own = np.arange(N) < 100 if root < 100 else np.arange(N) >= 100
    assert apart[own].max() < 1e-6
