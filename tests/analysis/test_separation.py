"""The longest link of a molecule, beside the minimum spanning tree of scipy."""

import numpy as np
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.spatial.distance import cdist

from nadyn.analysis.separation import longest_link


def test_the_longest_link_is_that_of_the_minimum_spanning_tree():
    positions = np.random.default_rng(3).normal(size=(4, 5, 7, 3))
    found = longest_link(positions)
    for index in np.ndindex(4, 5):
        tree = minimum_spanning_tree(cdist(positions[index], positions[index]))
        assert found[index] == np.float64(tree.max())


def test_like_atoms_may_change_places_and_one_that_leaves_is_followed():
    ammonia = np.array([[0, 0, 0], [1, 0, 0.3], [-0.5, 0.9, 0.3], [-0.5, -0.9, 0.3]], dtype=float)
    exchanged = ammonia[[0, 2, 3, 1]]
    assert longest_link(ammonia) == longest_link(exchanged)
    ammonia[2] *= 5.0
    # The shortest way to it may start at another hydrogen.
    nearest = np.linalg.norm(ammonia[[0, 1, 3]] - ammonia[2], axis=1).min()
    assert longest_link(ammonia) == nearest
