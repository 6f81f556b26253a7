"""Lists that are kept give what lists made anew give, to the last bit; they are made anew when they must."""

import numpy as np
import pytest
import torch

from nadyn.data.kept_neighbors import KeptNeighbors, candidates
from nadyn.data.neighbors import listed_neighbors

CELL = torch.tensor([[6.1, 0.3, -0.2], [0.8, 5.7, 0.5], [-0.4, 0.6, 6.6]], dtype=torch.float64)
MIXED = (1, 6, 1, 8, 6, 1, 1, 6, 1, 8, 1)


def walk(n_atoms, n_steps, length, cell, seed=1):
    """Yield positions and cells of atoms that wander in a cell that changes."""
    generator = torch.Generator().manual_seed(seed)

    def random(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    positions = 7 * torch.rand(n_atoms, 3, generator=generator, dtype=torch.float64)
    for _ in range(n_steps):
        yield positions, cell
        positions = positions + length * random(n_atoms, 3)
        if cell is not None:
            strain = torch.eye(3, dtype=torch.float64) + 0.01 * random(3, 3)
            positions, cell = positions @ strain, cell @ strain


@pytest.mark.parametrize("skin", [0.0, 0.7, 3.0])
@pytest.mark.parametrize(
    ("numbers", "cell", "pbc"),
    [
        (MIXED, CELL, (True, True, True)),
        (MIXED, CELL, (True, False, True)),
        (MIXED * 7, None, (False, False, False)),
        ((7,), CELL, (False, True, True)),
        ((7,), None, (False, False, False)),
    ],
)
def test_a_kept_list_is_a_list_made_anew(numbers, cell, pbc, skin):
    kept = KeptNeighbors(numbers, 5.0, pbc, skin=skin)
    for positions, box in walk(len(numbers), 14, 0.08, cell):
        frame = None if box is None else box[None]
        anew = listed_neighbors(torch.tensor(numbers), positions[None], cutoff=5.0, cell=frame, pbc=pbc)
        found = kept.near(positions, box)
        assert torch.equal(found.index, anew.index[0])
        assert torch.equal(found.mask, anew.mask[0])
        assert found.element_slices == anew.element_slices
        if any(pbc):
            assert torch.equal(found.offsets[found.shift], anew.cell_offsets[0])
        vectors = anew.vectors(positions[None], frame)[0]
        torch.testing.assert_close(found.vectors(positions, box), vectors, rtol=0, atol=1e-13)
    # Without a skin a list is good for nothing else; one atom and a cell that grows need no new one.
    if skin == 0.0 and len(numbers) > 1:
        assert kept.n_made == 14
    if skin > 0.0:
        assert kept.n_made < 14


def test_the_bits_do_not_depend_on_the_skin():
    skins = (0.0, 0.7, 3.0)
    all_kept = [KeptNeighbors(MIXED, 5.0, (True, True, True), skin=skin) for skin in skins]
    for positions, box in walk(len(MIXED), 10, 0.05, CELL):
        first, *others = [kept.near(positions, box).vectors(positions, box) for kept in all_kept]
        assert all(torch.equal(first, other) for other in others)
    assert all_kept[0].n_made > all_kept[1].n_made > all_kept[2].n_made


def test_a_list_holds_as_long_as_no_pair_can_have_come_in():
    """Two atoms just outside of the list come closer by less, and by more, than the skin."""
    kept = KeptNeighbors((1, 1), 5.0, skin=1.0)

    def at(distance):
        return torch.tensor([[0.0, 0.0, 0.0], [distance, 0.0, 0.0]], dtype=torch.float64)

    assert not kept.near(at(6.01), None).mask.any()
    assert not kept.near(at(5.02), None).mask.any()
    assert kept.n_made == 1
    assert kept.near(at(4.99), None).mask.all()
    assert kept.n_made == 2
    # Both move the same way: nothing has come closer.
    kept.near(at(4.99) + 30.0, None)
    assert kept.n_made == 2


def test_a_cell_that_shrinks_uses_up_the_skin():
    """A lone atom and its images: only the cell can bring them closer."""
    kept = KeptNeighbors((1,), 5.0, (True, True, True), skin=1.0)
    unit = torch.eye(3, dtype=torch.float64)
    here = torch.zeros(1, 3, dtype=torch.float64)
    counts = [int(kept.near(here, length * unit).mask.sum()) for length in (6.1, 5.2, 4.9)]
    assert counts == [0, 0, 6]
    assert kept.n_made == 2


def test_structures_that_are_asked_about_in_turn_keep_a_list_each():
    kept = KeptNeighbors(MIXED, 5.0, (True, True, True))
    walks = [list(walk(len(MIXED), 6, 0.01, CELL, seed=seed)) for seed in range(3)]
    for step in range(6):
        for one in walks:
            kept.near(*one[step])
    assert kept.n_made == 3


def test_lists_do_not_pile_up(monkeypatch):
    monkeypatch.setattr("nadyn.data.kept_neighbors._MOST_LISTS", 2)
    kept = KeptNeighbors(MIXED, 5.0, (True, True, True))
    starts = [next(iter(walk(len(MIXED), 1, 0.0, CELL, seed=seed))) for seed in range(4)]
    for _ in range(2):
        for positions, box in starts:
            anew = KeptNeighbors(MIXED, 5.0, (True, True, True), skin=0.0).near(positions, box)
            assert torch.equal(kept.near(positions, box).index, anew.index)
    assert kept.n_made == 8


def test_a_list_that_holds_has_every_pair_whatever_the_cell_does_beside_the_atoms():
    """Atoms that stay where they are while the cell changes come nearer to images, in pairs of all kinds."""
    generator = torch.Generator().manual_seed(8)

    def random(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    cutoff, pbc, n_held = 5.0, (True, True, True), 0
    for _ in range(150):
        positions = random(4, 3) @ CELL * 0.4
        known = candidates(np.array([6] * 4), positions, CELL, pbc, cutoff + 0.8)
        cell = CELL @ (torch.eye(3, dtype=torch.float64) + 0.05 * random(3, 3))
        if not known.holds(positions, cell, cutoff):
            continue
        n_held += 1
        fresh = candidates(np.array([6] * 4), positions, cell, pbc, cutoff)
        within = known.squared_distances(positions, cell) < cutoff**2
        assert int(within.sum()) == len(fresh.centre)
    assert n_held > 10
