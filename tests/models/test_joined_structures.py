"""Structures of any size and composition in one batch give what each gives alone."""

import pytest
import torch
from contracts.encoders import every_encoder
from contracts.untrained import CUTOFF, untrained

from nadyn.models.joined_structures import joined

CELL = torch.diag(torch.tensor([9.0, 10.0, 11.0], dtype=torch.float64))
# Atoms, number of frames, cell: two molecules, an atom alone, a crystal.
STRUCTURES = (
    ((7, 1, 1, 9), 3, None),
    ((6, 6, 1, 1, 1, 9), 2, None),
    ((1,), 1, None),
    # Without the first element, and all at one x: an empty slot must not meet that of an atom itself.
    ((7,), 1, None),
    ((6, 9, 9), 2, None),
    ((9, 6, 7, 1, 1), 2, CELL),
)


def positions_of(numbers, n_frames, seed):
    generator = torch.Generator().manual_seed(seed)
    grid = torch.cartesian_prod(torch.arange(3.0), torch.arange(2.0), torch.arange(2.0)).double() * 2.3
    noise = 0.3 * torch.randn(n_frames, len(numbers), 3, dtype=torch.float64, generator=generator)
    if numbers == (6, 9, 9):
        noise[..., 0], grid = 0.0, torch.tensor([[0.0, 0, 0], [0, 0, 2.3], [0, 0, -2.3]]).double()
    return grid[: len(numbers)] + noise


@every_encoder
@pytest.mark.parametrize("basis, repulsion", [(None, CUTOFF), ("1x0e + 1x1o + 1x1e", None)])
def test_each_has_the_matrix_forces_and_novelty_that_it_has_alone(encoder, basis, repulsion):
    model = untrained(encoder, basis, repulsion=repulsion).double()
    potential = model.potential
    alone, gradients, parts, inputs = [], [], [], []
    for seed, (numbers, n_frames, cell) in enumerate(STRUCTURES):
        pbc = (cell is not None,) * 3
        own = model.for_atoms(numbers, cell=cell, pbc=pbc)
        positions = positions_of(numbers, n_frames, seed).requires_grad_(True)
        surroundings = own.surroundings(positions)
        if seed == 0:
            potential.network.set_range([surroundings])
        hamiltonian, features = potential(surroundings)
        alone.append((hamiltonian.detach(), potential.network.novelty(features, surroundings)))
        gradients.append(torch.autograd.grad(weighted(hamiltonian), positions)[0])
        inputs.append(positions)
        parts.append(own.surroundings(positions))
    together = joined(parts, potential.network.cutoff)
    assert together.n_structures == sum(n_frames for _, n_frames, _ in STRUCTURES)
    hamiltonian, features = potential(together)
    novelty = potential.network.novelty(features, together)
    first = 0
    for (numbers, n_frames, _), (matrix, novel) in zip(STRUCTURES, alone, strict=True):
        own = slice(first, first + n_frames)
        torch.testing.assert_close(hamiltonian[own], matrix, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(novelty[own], novel, msg=str(numbers))
        first += n_frames
    assert novelty.min() == 0 < novelty.max()
    found = torch.autograd.grad(weighted(hamiltonian), inputs)
    for mine, its in zip(found, gradients, strict=True):
        torch.testing.assert_close(mine, its, rtol=1e-10, atol=1e-11)
    assert all(float(one.abs().max()) > 1e-3 for one in gradients if one.shape[1] > 1)


def weighted(hamiltonian):
    """A number to which every element of W counts differently."""
    n = hamiltonian.shape[1]
    return (hamiltonian * torch.arange(1.0, n * n + 1).reshape(n, n).double()).sum()


def test_the_neighbour_of_each_slot_is_the_atom_at_the_end_of_its_vector():
    model = untrained("moments", None).double()
    parts = [
        model.for_atoms(numbers).surroundings(positions_of(numbers, n_frames, seed))
        for seed, (numbers, n_frames, cell) in enumerate(STRUCTURES)
        if cell is None
    ]
    together = joined(parts, CUTOFF)
    distances = together.distances[:, 0]
    near = distances < CUTOFF
    assert int(near.sum()) == sum(int((part.distances < CUTOFF).sum()) for part in parts)
    # The neighbour sees this atom as far away as this atom sees it.
    back = (together.gather(together.distances)[:, 0] - distances.unsqueeze(-1)).abs().amin(dim=-1)
    assert float(back[near].max()) < 1e-12
    rows = together.neighbours[:, 0]
    assert bool((rows != torch.arange(len(rows))[:, None])[near].all())
    slot_numbers, numbers = of_rows(together.slots), of_rows(together.atoms)
    assert torch.equal(numbers[rows][near], slot_numbers.expand(len(rows), -1)[near])
    assert torch.equal(together.structure[rows][near], together.structure[:, None].expand_as(rows)[near])


def of_rows(slices):
    """The element of each row of an axis."""
    return torch.cat([torch.full((part.stop - part.start,), element) for element, part in slices])
