"""Neighbour lists and cells: the same physics however the surroundings are found or described."""

import itertools
from dataclasses import replace

import pytest
import torch
from contracts.encoders import few_encoders
from contracts.untrained import untrained

from nadyn.data.neighbors import listed_neighbors
from nadyn.dynamics.nuclei.rigid_motion import is_free
from nadyn.electronic.stress import strained_surface
from nadyn.electronic.surfaces import surfaces
from nadyn.models.potential import Potential
from nadyn.models.surroundings import all_pairs, listed_pairs

PERIODIC = (True, True, True)
CELL = torch.tensor([[6.1, 0.3, -0.2], [0.8, 5.7, 0.5], [-0.4, 0.6, 6.6]], dtype=torch.float64)
CRYSTAL = torch.tensor(
    [[0.1, 0.2, -0.1], [3.0, 2.6, 0.4], [1.1, 0.9, 3.2], [4.4, 4.0, 4.1], [2.9, -0.2, 4.6]],
    dtype=torch.float64,
)
NUMBERS = (9, 1, 6, 1, 7)


def _crystal(encoder, cell=CELL, numbers=NUMBERS):
    model = untrained(encoder, None, cutoff=5.0).double()
    return model.for_atoms(numbers, cell=cell, pbc=PERIODIC)


def _energy_and_forces(model, positions):
    inputs = positions[None].clone().requires_grad_(True)
    energy = model.evaluate(inputs).hamiltonian.sum()
    (gradient,) = torch.autograd.grad(energy, inputs)
    return energy.detach(), -gradient[0]


@few_encoders
def test_a_neighbour_list_gives_what_all_pairs_give(encoder):
    model = untrained(encoder, "1x0e + 1x0o + 1x1o", atomic_numbers=(1, 1, 1, 6, 6, 9), cutoff=5.0).double()
    generator = torch.Generator().manual_seed(3)
    # Stretched by different factors, so that frames have different numbers of neighbours and padded slots.
    positions = 1.7 * torch.randn(4, 6, 3, generator=generator, dtype=torch.float64)
    positions = positions * torch.tensor([1.0, 1.4, 1.9, 4.0], dtype=torch.float64)[:, None, None]
    numbers = model.sorted_numbers
    neighbors = listed_neighbors(torch.tensor(numbers), positions, cutoff=5.0)
    assert not bool(neighbors.mask.all())

    results = []
    for listed in (False, True):
        inputs = positions.clone().requires_grad_(True)
        if listed:
            surroundings = listed_pairs(inputs, None, neighbors, numbers, 5.0, torch.float64)
        else:
            surroundings = all_pairs(inputs, numbers, 5.0, torch.float64)
        hamiltonian, _ = model.potential(surroundings)
        cotangent = torch.linspace(-1, 1, hamiltonian.numel(), dtype=torch.float64).view_as(hamiltonian)
        (gradient,) = torch.autograd.grad(hamiltonian, inputs, cotangent)
        results.append((hamiltonian.detach(), gradient))
    for dense, sparse in zip(*results, strict=True):
        torch.testing.assert_close(sparse, dense, rtol=0, atol=1e-11)


@few_encoders
def test_a_supercell_has_eight_times_the_energy_and_the_same_forces(encoder):
    energy, forces = _energy_and_forces(_crystal(encoder), CRYSTAL)
    shifts = [torch.tensor(n, dtype=torch.float64) @ CELL for n in itertools.product((0, 1), (0, 1), (0, 1))]
    positions = torch.cat([CRYSTAL + shift for shift in shifts])
    large = _crystal(encoder, cell=2 * CELL, numbers=NUMBERS * 8)
    large_energy, large_forces = _energy_and_forces(large, positions)
    assert float(large_energy) == pytest.approx(8 * float(energy), abs=1e-9)
    torch.testing.assert_close(large_forces, forces.repeat(8, 1), rtol=0, atol=1e-10)


@few_encoders
def test_a_crystal_does_not_depend_on_which_image_or_which_cell_describes_it(encoder):
    energy, forces = _energy_and_forces(_crystal(encoder), CRYSTAL)
    other_image = CRYSTAL.clone()
    other_image[2] += 2 * CELL[0] - CELL[2]
    sheared = CELL.clone()
    sheared[1] += CELL[0]
    for cell, positions in ((CELL, other_image), (sheared, CRYSTAL), (-CELL, CRYSTAL)):
        other_energy, other_forces = _energy_and_forces(_crystal(encoder, cell=cell), positions)
        assert float(other_energy) == pytest.approx(float(energy), abs=1e-10)
        torch.testing.assert_close(other_forces, forces, rtol=0, atol=1e-11)


@few_encoders
def test_turning_cell_and_atoms_together_turns_the_forces(encoder):
    energy, forces = _energy_and_forces(_crystal(encoder), CRYSTAL)
    random = torch.randn(3, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    turn = torch.linalg.qr(random)[0]
    turned_energy, turned_forces = _energy_and_forces(_crystal(encoder, cell=CELL @ turn.T), CRYSTAL @ turn.T)
    assert float(turned_energy) == pytest.approx(float(energy), abs=1e-10)
    torch.testing.assert_close(turned_forces, forces @ turn.T, rtol=0, atol=1e-11)


@few_encoders
def test_the_derivative_by_strain_is_that_of_the_energy(encoder):
    strain = torch.zeros(3, 3, dtype=torch.float64, requires_grad=True)
    unit = torch.eye(3, dtype=torch.float64)

    def energy(strain):
        model = _crystal(encoder, cell=CELL @ (unit + strain))
        return model.evaluate((CRYSTAL @ (unit + strain))[None]).hamiltonian.sum()

    (virial,) = torch.autograd.grad(energy(strain), strain)
    step = 1e-4
    for a, b in ((0, 0), (1, 2), (2, 0)):
        change = torch.zeros(3, 3, dtype=torch.float64)
        change[a, b] = step
        numeric = (energy(change) - energy(-change)) / (2 * step)
        assert float(virial[a, b]) == pytest.approx(float(numeric), rel=1e-5, abs=1e-7)


def test_a_crystal_claims_no_rotation_and_a_molecule_does():
    crystal = _crystal("moments")
    molecule = untrained("moments", None, cutoff=5.0).double()
    assert crystal.laws == {"translation", "permutation"}
    assert molecule.laws == {"translation", "rotation", "reflection", "permutation"}
    assert not is_free(crystal) and is_free(molecule)


@pytest.mark.parametrize("encoder", ["moments", "acsf"])
@pytest.mark.parametrize("basis", [None, "1x0e + 1x1o"])
def test_many_atoms_in_parts_give_what_they_give_at_once(encoder, basis, monkeypatch):
    monkeypatch.setenv("NADYN_FAST_PATH", "0")
    model = untrained(encoder, basis, cutoff=5.0, repulsion=4.5).double()
    model = model.for_atoms(NUMBERS, cell=CELL, pbc=PERIODIC)
    generator = torch.Generator().manual_seed(2)
    noise = torch.randn(10, 5, 3, dtype=torch.float64, generator=generator)
    positions, near = torch.stack([CRYSTAL, CRYSTAL + 0.1 * noise[0]]), CRYSTAL + 0.05 * noise[1:]
    model.potential.network.set_range([model.surroundings(near)])
    whole, novelty = surfaces(model, positions), model.evaluate(positions).novelty
    calls, part = [], Potential._part
    monkeypatch.setattr("nadyn.models.potential._PAIRS_AT_ONCE", 30)
    monkeypatch.setattr(Potential, "_part", lambda self, one: calls.append(one) or part(self, one))
    assert model.surroundings(positions).distances.numel() > 150
    parts = surfaces(model, positions)
    for name in ("energies", "forces"):
        torch.testing.assert_close(getattr(parts, name), getattr(whole, name), rtol=0, atol=1e-11)
    assert torch.equal(model.evaluate(positions).novelty, novelty)
    assert len(calls) > 9 and {len(one.vectors) for one in calls} == {1, 2}
    assert 0 < novelty[1] < 1


def test_contacts_through_the_faces_of_a_cell_are_seen():
    model = untrained("moments", None, cutoff=5.0).for_atoms((1, 9), cell=CELL, pbc=PERIODIC)
    shortest = torch.full((4, 4), 1.5, dtype=torch.float64)
    model = replace(model, shortest_by_element=shortest)
    # 1.4 bohr apart through the face; then 1.2; then within the cell.
    first = torch.tensor([[0.2, 0.1, 0.1]], dtype=torch.float64)
    frames = torch.stack(
        [
            torch.cat([first, first + gap * CELL[0] / CELL[0].norm() + shift])
            for gap, shift in ((-1.4, CELL[0]), (-1.2, CELL[0]), (1.2, 0.0), (3.0, 0.0))
        ]
    )
    assert model.shortest_distances.any_closer(frames, 0.9).tolist() == [False, True, True, False]
    # Elements that never met in training have no shortest distance.
    never = replace(model, shortest_by_element=torch.full((4, 4), torch.inf, dtype=torch.float64))
    assert not never.shortest_distances.any_closer(frames, 0.9).any()


@few_encoders
def test_an_atom_alone_in_a_box_has_its_energy_no_force_and_no_stress(encoder):
    model = untrained(encoder, None, cutoff=5.0).double()
    box = 30.0 * torch.eye(3, dtype=torch.float64)
    here = torch.tensor([[[1.0, 2.0, 3.0]]], dtype=torch.float64)
    found = strained_surface(model.for_atoms((7,), cell=box, pbc=PERIODIC), here, torch.tensor([0]))
    free = surfaces(model.for_atoms((7,)), here)
    torch.testing.assert_close(found.energies, free.energies, rtol=0, atol=1e-12)
    assert float(found.force.abs().max()) == float(found.stress.abs().max()) == 0.0


def test_a_crystal_has_the_same_bits_whatever_stands_beside_it():
    model = _crystal("moments")
    crowded = CRYSTAL.clone()
    crowded[1] = crowded[0] + 1.0
    frames = torch.stack([CRYSTAL, crowded, 1.1 * CRYSTAL])
    together = surfaces(model, frames)
    for row in range(3):
        alone = surfaces(model, frames[row : row + 1])
        assert torch.equal(alone.energies[0], together.energies[row])
        assert torch.equal(alone.forces[0], together.forces[row])


@pytest.mark.parametrize("precision", ["single", "double"])
def test_forces_with_a_list_that_was_kept_are_those_with_a_new_one_to_the_last_bit(precision):
    model = untrained("moments", None, cutoff=5.0).for_atoms(NUMBERS, cell=CELL, pbc=PERIODIC)
    model = model.double() if precision == "double" else model
    generator = torch.Generator().manual_seed(5)
    positions, cells = CRYSTAL[None], CELL[None]
    state = torch.tensor([0])
    for _ in range(6):
        kept = strained_surface(model, positions, state, cells=cells)
        anew = strained_surface(replace(model), positions, state, cells=cells)
        for name in ("energies", "force", "stress"):
            assert torch.equal(getattr(kept, name), getattr(anew, name))
        strain = torch.eye(3, dtype=torch.float64) * 1.01
        moved = positions + 0.05 * torch.randn(positions.shape, generator=generator, dtype=torch.float64)
        positions, cells = moved @ strain, cells @ strain
    assert model.kept_neighbors.n_made < 6
