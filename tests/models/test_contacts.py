"""How close atoms have come: bonded and non-bonded pairs apart, and like atoms free to exchange places."""

import numpy as np
import torch

from nadyn.models.contacts import contacts_by_element, contacts_of, shortest_contacts

CHAIN = (6, 6, 6, 6)


def chain(bond=2.9, angle=112.0):
    """Four carbons in a zigzag [bohr]."""
    half = np.radians(angle / 2)
    step = bond * np.array([np.sin(half), np.cos(half), 0.0])
    signs = np.array([[1, 1, 1], [1, -1, 1], [1, 1, 1]])
    return np.concatenate([np.zeros((1, 3)), np.cumsum(step * signs, axis=0)])


def frames(n=30):
    return chain() + 0.05 * np.random.default_rng(1).standard_normal((n, 4, 3))


def test_a_contact_of_atoms_that_are_not_bonded_is_close_though_no_bond_is_shorter():
    found = contacts_of(CHAIN, torch.from_numpy(shortest_contacts(CHAIN, frames())))
    ring = chain()
    # The ends at the length of a bond: a ring of four.
    ring[3] = ring[0] + np.array([0.0, 0.0, 2.9])
    both = torch.from_numpy(np.stack([chain(), ring]))
    assert found.any_closer(both, 0.9).tolist() == [False, True]
    by_element = contacts_by_element(CHAIN, (6,), torch.full((1, 1), 2.7, dtype=torch.float64))
    assert by_element.any_closer(both, 0.9).tolist() == [False, False]


def test_atoms_of_one_element_may_exchange_their_places():
    numbers = (7, 1, 1, 1)
    rng = np.random.default_rng(2)
    first = rng.standard_normal((40, 4, 3)) * 2.0
    shortest = shortest_contacts(numbers, first)
    exchanged = first[:, [0, 3, 1, 2]]
    np.testing.assert_allclose(shortest_contacts(numbers, exchanged), shortest, rtol=1e-15)
    order = [2, 0, 3, 1]
    other = contacts_of(tuple(numbers[i] for i in order), torch.from_numpy(shortest))
    same = contacts_of(numbers, torch.from_numpy(shortest))
    near = torch.from_numpy(rng.standard_normal((200, 4, 3)) * 1.6)
    flagged = same.any_closer(near, 0.9)
    assert 20 < int(flagged.sum()) < 180
    assert torch.equal(other.any_closer(near[:, order], 0.9), flagged)


def test_no_frame_of_the_data_is_closer_than_the_data():
    data = frames()
    found = contacts_of(CHAIN, torch.from_numpy(shortest_contacts(CHAIN, data)))
    assert not bool(found.any_closer(torch.from_numpy(data), 1.0 - 1e-12).any())
    assert bool(found.any_closer(torch.from_numpy(data), 1.0 + 1e-3).any())


def test_an_atom_alone_has_no_contacts():
    found = contacts_of((7,), torch.from_numpy(shortest_contacts((7,), np.zeros((3, 1, 3)))))
    assert found.any_closer(torch.zeros(5, 1, 3, dtype=torch.float64), 0.9).tolist() == [False] * 5


def test_whether_atoms_are_close_does_not_depend_on_the_batch():
    found = contacts_of(CHAIN, torch.from_numpy(shortest_contacts(CHAIN, frames())))
    many = torch.from_numpy(chain() + 0.4 * np.random.default_rng(4).standard_normal((300, 4, 3)))
    together = found.any_closer(many, 0.9)
    assert 0 < int(together.sum()) < 300
    assert together.tolist() == [bool(found.any_closer(one[None], 0.9)) for one in many]
