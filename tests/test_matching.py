"""How alike two geometries are, over motions, mirror images and exchanges of like atoms."""

from itertools import permutations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from nadyn.structures.matching import match


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
