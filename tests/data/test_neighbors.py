"""Neighbor lists against ASE's, and the promises of their layout."""

import ase
import ase.neighborlist
import numpy as np
import pytest
import torch

from nadyn.checks.errors import InputError
from nadyn.data.kept_neighbors import KeptNeighbors
from nadyn.data.neighbors import listed_neighbors

BUTENE = torch.tensor([6, 9, 1, 6, 6, 9, 9, 1, 6, 9, 9, 9])


def found_pairs(neighbors, frame):
    """Pairs of one frame as a sorted list of (centre, neighbor, offset)."""
    index, mask = neighbors.index[frame], neighbors.mask[frame]
    offsets = torch.zeros(*index.shape, 3, dtype=torch.int64)
    if neighbors.cell_offsets is not None:
        offsets = neighbors.cell_offsets[frame]
    return sorted((int(i), int(index[i, m]), *offsets[i, m].tolist()) for i, m in torch.nonzero(mask))


def pairs_of_ase(positions, cutoff, cell=None, pbc=False):
    atoms = ase.Atoms(numbers=np.ones(len(positions)), positions=positions, cell=cell, pbc=pbc)
    i, j, shift = ase.neighborlist.neighbor_list("ijS", atoms, cutoff)
    return sorted((int(a), int(b), *map(int, s)) for a, b, s in zip(i, j, shift, strict=True))


def random_positions(n_frames, n_atoms, length, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return length * torch.rand(n_frames, n_atoms, 3, generator=generator, dtype=torch.float64)


def slot_species(neighbors):
    """Atomic number of each slot."""
    species = torch.zeros(neighbors.n_slots, dtype=torch.int64)
    for element, slots in neighbors.element_slices:
        species[slots] = element
    return species


def all_see_all(numbers, n_frames=5):
    """A list whose cutoff reaches every atom."""
    return listed_neighbors(numbers, random_positions(n_frames, len(numbers), 4.0), cutoff=9.0)


def test_a_cutoff_that_reaches_all_atoms_finds_every_other_atom_once():
    neighbors = all_see_all(BUTENE)
    for frame in range(5):
        pairs = found_pairs(neighbors, frame)
        assert pairs == sorted((i, j, 0, 0, 0) for i in range(12) for j in range(12) if i != j)
    assert neighbors.index.shape == (5, 12, 12)


def test_slots_of_an_element_hold_that_element_for_every_centre():
    neighbors = all_see_all(BUTENE)
    assert [element for element, _ in neighbors.element_slices] == [1, 6, 9]
    assert [s.stop - s.start for _, s in neighbors.element_slices] == [2, 4, 6]
    species = BUTENE[neighbors.index]
    wrong = (species != slot_species(neighbors)) & neighbors.mask
    assert not wrong.any()


@pytest.mark.parametrize("numbers", [[1, 1, 1, 1, 1], [8, 1, 1], [2]])
def test_slots_are_no_more_than_the_largest_number_of_neighbors(numbers):
    neighbors = all_see_all(torch.tensor(numbers))
    widths = {element: s.stop - s.start for element, s in neighbors.element_slices}
    needed = {}
    for i in range(len(numbers)):
        for element in set(numbers):
            n = sum(1 for j, z in enumerate(numbers) if j != i and z == element)
            needed[element] = max(needed.get(element, 0), n)
    # Where nobody sees anybody one empty slot is left.
    assert widths == ({element: n for element, n in needed.items() if n} or {numbers[0]: 1})
    assert neighbors.mask.any() or len(numbers) == 1


@pytest.mark.parametrize(
    ("cell", "pbc"),
    [
        (None, (False, False, False)),
        ([[4.0, 0, 0], [1.0, 5.0, 0], [-0.5, 0.7, 6.0]], (True, True, True)),
        ([[4.0, 0, 0], [1.0, 5.0, 0], [-0.5, 0.7, 6.0]], (True, False, True)),
        ([[4.0, 0, 0], [0, 5.0, 0], [0, 0, 60.0]], (False, True, False)),
    ],
)
def test_lists_within_a_cutoff_agree_with_ase(cell, pbc):
    positions = random_positions(5, 7, 5.0)
    cells = None if cell is None else torch.tensor(cell, dtype=torch.float64).expand(5, 3, 3)
    numbers = torch.tensor([1, 6, 1, 8, 6, 1, 1])
    neighbors = listed_neighbors(numbers, positions, cutoff=4.5, cell=cells, pbc=pbc)
    for frame in range(5):
        expected = pairs_of_ase(positions[frame].numpy(), 4.5, cell, pbc)
        assert found_pairs(neighbors, frame) == expected
    wrong = (numbers[neighbors.index] != slot_species(neighbors)) & neighbors.mask
    assert not wrong.any()


def test_vectors_are_those_of_ase():
    positions = random_positions(2, 5, 4.0, seed=3)
    cell = torch.tensor([[4.0, 0, 0], [1.0, 5.0, 0], [-0.5, 0.7, 6.0]], dtype=torch.float64).expand(2, 3, 3)
    pbc = (True, True, True)
    neighbors = listed_neighbors(torch.tensor([1, 6, 1, 8, 6]), positions, cutoff=5.0, cell=cell, pbc=pbc)
    distances = neighbors.vectors(positions, cell).norm(dim=-1)
    for frame in range(2):
        atoms = ase.Atoms(
            numbers=np.ones(5), positions=positions[frame].numpy(), cell=cell[frame].numpy(), pbc=pbc
        )
        expected = np.sort(ase.neighborlist.neighbor_list("d", atoms, 5.0))
        found = np.sort(distances[frame][neighbors.mask[frame]].numpy())
        np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("n_atoms", [12, 70])
def test_masked_slots_have_a_distance_and_a_finite_gradient(n_atoms):
    numbers = BUTENE[torch.arange(n_atoms) % 12]
    positions = random_positions(4, n_atoms, 14.0).requires_grad_(True)
    neighbors = listed_neighbors(numbers, positions, cutoff=6.0)
    assert not neighbors.mask.all()
    distances = neighbors.vectors(positions).norm(dim=-1)
    assert (distances > 0).all()
    (distances * neighbors.mask).sum().backward()
    assert torch.isfinite(positions.grad).all()


def test_a_lone_atom_in_a_cell_sees_its_images_and_padding_is_never_itself():
    cell = torch.stack([torch.eye(3, dtype=torch.float64) * 5.0, torch.eye(3, dtype=torch.float64) * 9.0])
    positions = torch.zeros(2, 1, 3, dtype=torch.float64)
    neighbors = listed_neighbors(
        torch.tensor([10]), positions, cutoff=6.0, cell=cell, pbc=(False, True, True)
    )
    assert neighbors.mask.sum(dim=(1, 2)).tolist() == [4, 0]
    assert (neighbors.vectors(positions, cell).norm(dim=-1) >= 5.0).all()


def test_a_periodic_direction_needs_a_cell():
    with pytest.raises(InputError, match="`cell` must be given"):
        listed_neighbors(
            torch.tensor([1]), torch.zeros(2, 1, 3, dtype=torch.float64), cutoff=2.0, pbc=(True, False, False)
        )


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_what_is_not_finite_is_one_sentence(bad):
    positions, cell = random_positions(1, 5, 8.0), 8.0 * torch.eye(3, dtype=torch.float64)[None]
    numbers, kept = torch.ones(5, dtype=torch.int64), KeptNeighbors((1,) * 5, 3.0, (True,) * 3)
    broken = positions.clone()
    broken[0, 2, 1] = bad
    for places, box, said in (
        (broken, cell, "an atom has others"),
        (positions, bad * cell, "the cell has others"),
    ):
        with pytest.raises(InputError, match=said):
            listed_neighbors(numbers, places, cutoff=3.0, cell=box, pbc=(True,) * 3)
        with pytest.raises(InputError, match=said):
            kept.candidates(places[0], box[0])
