"""How alike two geometries are, over motions, mirror images and exchanges of like atoms."""

from itertools import permutations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from nadyn.structures.matching import match, n_orders, rmsds


def _hidden(positions, numbers, seed):
    """The same molecule turned, moved, mirrored, and with like atoms exchanged."""
    random = np.random.default_rng(seed)
    order = np.arange(len(numbers))
    for number in np.unique(numbers):
        atoms = np.flatnonzero(numbers == number)
        order[atoms] = random.permutation(atoms)
    turned = Rotation.random(random_state=seed).apply(positions * np.array([1.0, 1.0, -1.0]))
    return (turned + random.standard_normal(3))[order]


@pytest.mark.parametrize(
    ("numbers", "is_complete"), [((6, 6, 1, 1, 1, 1), True), ((6,) * 4 + (1,) * 2 + (9,) * 6, False)]
)
def test_a_molecule_is_found_again_however_it_is_turned_mirrored_and_numbered(numbers, is_complete):
    numbers = np.array(numbers)
    for seed in range(5):
        positions = 3.0 * np.random.default_rng(seed).standard_normal((len(numbers), 3))
        found = match(positions, _hidden(positions, numbers, seed + 100), numbers)
        assert found.rmsd < 1e-10 and found.is_complete is is_complete


def test_the_rmsd_is_the_smallest_of_all_orders():
    random = np.random.default_rng(3)
    first, second = random.standard_normal((2, 4, 3))
    numbers = np.array([7, 1, 1, 1])
    each = []
    for order in permutations((1, 2, 3)):
        other = second[[0, *order]]
        for mirror in (1.0, -1.0):
            centred = (other - other.mean(0)) * np.array([mirror, 1, 1])
            _, distance = Rotation.align_vectors(first - first.mean(0), centred)
            each.append(distance / 2.0)
    assert match(first, second, numbers).rmsd == pytest.approx(min(each), rel=1e-9)
    assert match(first, second, numbers, like_atoms_alike=False).rmsd >= min(each)


@pytest.mark.parametrize("numbers", [(7, 1, 1, 1), (6,) * 4 + (1,) * 2])
def test_many_pairs_at_a_time_have_the_distances_of_one_at_a_time(numbers, monkeypatch):
    """With all orders tried together and, where these are too many, one pair after the other."""
    numbers = np.array(numbers)
    random = np.random.default_rng(8)
    first, second = random.standard_normal((2, 5, len(numbers), 3))
    second[0] = _hidden(first[0], numbers, 2)
    expected = [match(a, b, numbers).rmsd for a, b in zip(first, second, strict=True)]
    assert n_orders(numbers) == {4: 6, 6: 48}[len(numbers)]
    for together in (240, 1):
        monkeypatch.setattr("nadyn.structures.matching._MOST_ORDERS_TOGETHER", together)
        found = rmsds(first, second, numbers)
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-6) and found[0] < 1e-6 < found[1]
