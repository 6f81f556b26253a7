"""Overlaps of CASSCF states along links: molecules laid on each other, atoms exchanged, functions moved."""

import numpy as np
import pytest

from nadyn.electronic.diabatic.links import NEAR, Links
from nadyn.electronic.labels import HasLinkedOverlaps, Known
from nadyn.interfaces.sources import source_from
from nadyn.structures.alignment import aligned_distances
from nadyn.units import BOHR_PER_ANGSTROM

SYMMETRIC = BOHR_PER_ANGSTROM * np.array(
    [[0, 0, 0.67], [0, 0, -0.67], [0, 0.92, 1.24], [0, -0.92, 1.24], [0, 0.92, -1.24], [0, -0.92, -1.24]]
)
ASKEW = SYMMETRIC + 0.1 * np.random.default_rng(1).standard_normal((6, 3))


@pytest.fixture(scope="module")
def source():
    """Three singlets of ethylene."""
    return source_from({"pyscf": {"method": "sa3-casscf(2,2)/sto-3g"}}, (6, 6, 1, 1, 1, 1))


def known(source, positions):
    return Known(positions, source.label_parts(positions, [], forces=[], pairs=[]))


def link(*known):
    distance = [aligned_distances(known[1].positions, known[0].positions[None])[0]]
    return Links(np.array([0]), np.array([1]), np.array(distance))


def turned(positions, seed=2):
    rotation = np.linalg.qr(np.random.default_rng(seed).standard_normal((3, 3)))[0]
    rotation[:, 0] *= np.sign(np.linalg.det(rotation))
    return positions @ rotation + [1.0, -2.0, 3.0]


def test_casscf_compares_its_wave_functions(source):
    assert isinstance(source, HasLinkedOverlaps)


def test_a_molecule_that_is_turned_and_moved_has_the_same_states(source):
    both = (known(source, ASKEW), known(source, turned(ASKEW)))
    found = source.linked_overlaps(both, link(*both))
    for overlaps in (found.moved[0], found.standing[0]):
        assert np.abs(np.abs(overlaps) - np.eye(3)).max() < 1e-5


def test_where_nothing_turns_they_are_the_overlaps_of_the_source(source):
    stretched = SYMMETRIC.copy()
    stretched[0, 2] += 0.1
    both = (known(source, SYMMETRIC), known(source, stretched - stretched.mean(0) + SYMMETRIC.mean(0)))
    found = source.linked_overlaps(both, link(*both))
    assert np.abs(found.standing[0] - source.overlaps(*both)).max() < 1e-10


def test_functions_that_move_along_overlap_more_than_those_that_stand(source):
    moved = ASKEW + BOHR_PER_ANGSTROM * 0.1 * np.random.default_rng(4).standard_normal((6, 3))
    both = (known(source, ASKEW), known(source, moved))
    found = source.linked_overlaps(both, link(*both))
    smallest = [np.linalg.svd(one, compute_uv=False)[-1] for one in (found.moved[0], found.standing[0])]
    assert smallest[0] > 0.9 > smallest[1] > 0.3


def test_functions_as_they_stand_are_not_compared_beyond_their_reach(source):
    moved = ASKEW.copy()
    moved[2, 1] += 3.0 * NEAR
    both = (known(source, ASKEW), known(source, moved))
    found = source.linked_overlaps(both, link(*both))
    assert not found.standing.any()
    assert np.abs(found.moved).max() > 0.3


def test_an_exchange_that_a_turn_undoes_changes_signs_alone(source):
    one = known(source, SYMMETRIC)
    links = Links(np.array([0]), np.array([0]), np.zeros(1))
    found = source.linked_overlaps([one], links, [0, 1, 3, 2, 5, 4])
    for overlaps in (found.moved[0], found.standing[0]):
        assert np.abs(np.abs(overlaps) - np.eye(3)).max() < 1e-8


def test_the_other_order_gives_the_transposed_overlaps(source):
    moved = ASKEW + BOHR_PER_ANGSTROM * 0.05 * np.random.default_rng(6).standard_normal((6, 3))
    both = (known(source, ASKEW), known(source, turned(moved)))
    there = source.linked_overlaps(both, link(*both))
    back = source.linked_overlaps(both[::-1], link(*both[::-1]))
    assert np.abs(there.moved[0] - back.moved[0].T).max() < 1e-10
    assert np.abs(there.standing[0] - back.standing[0].T).max() < 1e-10
