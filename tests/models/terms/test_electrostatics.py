"""Charges at all distances: crystals whose sums are known, pairs, gradients, and what has no meaning."""

import math

import pytest
import torch

from nadyn.checks.errors import InputError
from nadyn.models.placement import Placement
from nadyn.models.terms import electrostatics, longrange
from nadyn.models.terms.electrostatics import energy_of_placement

WIDTH = 0.7
# Positions and charges in a cubic cell of length 1, and the Madelung constant for its nearest distance.
FACES = [[0.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]]


def _shifted(places, by):
    return [[one + more for one, more in zip(place, by, strict=True)] for place in places]


EIGHTHS = _shifted(FACES, [0.25] * 3) + _shifted(FACES, [0.75] * 3)
CRYSTALS = {
    "NaCl": (FACES + _shifted(FACES, [0.5, 0, 0]), [1] * 4 + [-1] * 4, 0.5, 4, 1.747564594633),
    "CsCl": ([[0.0] * 3, [0.5] * 3], [1, -1], math.sqrt(0.75), 1, 1.762674773070),
    "ZnS": (FACES + _shifted(FACES, [0.25] * 3), [1] * 4 + [-1] * 4, math.sqrt(3) / 4, 4, 1.638055053389),
    "CaF2": (FACES + EIGHTHS, [2] * 4 + [-1] * 8, math.sqrt(3) / 4, 4, 5.038784880),
}


def _placement(positions, cell=None):
    periodic = cell is not None
    return Placement(positions, (1,) * positions.shape[1], cell, (periodic,) * 3)


def _softened(charges, positions, cell, width):
    """What the width leaves out, over all images that it reaches."""
    steps = torch.arange(-3, 4, dtype=torch.float64)
    shifts = torch.cartesian_prod(steps, steps, steps) @ cell
    vectors = positions[None, :, None] - positions[None, None] + shifts[:, None, None]
    distances = vectors.norm(dim=-1)
    there = distances > 1e-9
    safe = torch.where(there, distances, 1.0)
    left_out = torch.where(there, torch.erfc(safe / (math.sqrt(2) * width)) / safe, 0.0)
    return 0.5 * torch.einsum("i,sij,j->", charges, left_out, charges)


@pytest.mark.parametrize("name", CRYSTALS)
def test_crystals_have_their_madelung_constants(name):
    places, charges, nearest, n_formula, constant = CRYSTALS[name]
    length, width = 3.9, 0.7
    cell = length * torch.eye(3, dtype=torch.float64)
    positions = length * torch.tensor(places, dtype=torch.float64)
    charges = torch.tensor(charges, dtype=torch.float64)
    energy = energy_of_placement(charges[None], _placement(positions[None], cell[None]), width)[0]
    energy = energy + _softened(charges, positions, cell, width)
    assert float(-energy * nearest * length / n_formula) == pytest.approx(constant, abs=1e-8)


def test_two_charges_far_apart_have_the_energy_of_coulomb_and_near_ones_less():
    distances = torch.tensor([[30.0], [0.9]], dtype=torch.float64)
    positions = torch.zeros(2, 2, 3, dtype=torch.float64)
    positions[:, 1, 2:] = distances
    charges = torch.tensor([[0.8, -0.5]] * 2, dtype=torch.float64)
    energy = energy_of_placement(charges, _placement(positions), WIDTH)
    bare = -0.4 / distances[:, 0]
    assert float(energy[0]) == pytest.approx(float(bare[0]), rel=1e-14)
    assert float(energy[1] / bare[1]) == pytest.approx(math.erf(0.9 / (math.sqrt(2) * WIDTH)), rel=1e-12)


def _water_like(n_traj=2, n_atoms=5, length=None):
    generator = torch.Generator().manual_seed(3)
    positions = 4.0 * torch.rand(n_traj, n_atoms, 3, dtype=torch.float64, generator=generator)
    charges = torch.randn(n_traj, n_atoms, dtype=torch.float64, generator=generator)
    charges = charges - charges.mean(dim=1, keepdim=True)
    if length is None:
        return charges, positions, None
    skew = 0.2 * torch.rand(n_traj, 3, 3, dtype=torch.float64, generator=generator)
    return charges, positions, length * (torch.eye(3, dtype=torch.float64) + skew)


@pytest.mark.parametrize("length", [None, 4.0])
def test_gradients_in_positions_charges_and_strain_are_those_of_the_energy(length):
    charges, positions, cell = _water_like(length=length)

    def energy(charges, positions, strain):
        deformed = None if cell is None else cell + cell @ strain
        placement = _placement(positions + positions @ strain, deformed)
        return energy_of_placement(charges, placement, WIDTH)

    strain = torch.zeros(2, 3, 3, dtype=torch.float64)
    inputs = [one.clone().requires_grad_() for one in (charges, positions, strain)]
    gradients = torch.autograd.grad(energy(*inputs).sum(), inputs)
    generator = torch.Generator().manual_seed(5)
    for number, gradient in enumerate(gradients):
        direction = torch.randn(gradient.shape, dtype=torch.float64, generator=generator)
        if number == 0:
            # The cell stays neutral.
            direction = direction - direction.mean(dim=1, keepdim=True)
        step = 1e-3
        ends = []
        for sign in (1, -1):
            moved = [charges, positions, strain]
            moved[number] = moved[number] + sign * step * direction
            ends.append(energy(*moved))
        found = (ends[0] - ends[1]) / (2 * step)
        expected = (gradient * direction).flatten(1).sum(dim=1)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_a_second_derivative_is_there_too():
    charges, positions, cell = _water_like(length=4.0)
    positions.requires_grad_()
    energy = energy_of_placement(charges, _placement(positions, cell), WIDTH)
    (force,) = torch.autograd.grad(energy.sum(), positions, create_graph=True)
    (second,) = torch.autograd.grad(force.square().sum(), positions)
    assert float(second.abs().max()) > 1e-3


def test_atoms_in_parts_and_on_a_mesh_have_the_same_energy(monkeypatch):
    charges, positions, cell = _water_like(n_atoms=7, length=4.0)
    whole = energy_of_placement(charges, _placement(positions), WIDTH)
    waves = energy_of_placement(charges, _placement(positions, cell), WIDTH)
    monkeypatch.setattr(electrostatics, "_PAIRS_AT_ONCE", 30)
    monkeypatch.setattr(electrostatics, "MESH_FROM", 5)
    positions.requires_grad_()
    parts = energy_of_placement(charges, _placement(positions), WIDTH)
    torch.testing.assert_close(parts, whole, rtol=1e-13, atol=1e-14)
    assert torch.autograd.grad(parts.sum(), positions)[0].isfinite().all()
    mesh = energy_of_placement(charges, _placement(positions, cell), WIDTH)
    torch.testing.assert_close(mesh, waves, rtol=1e-4, atol=1e-4)
    assert not torch.equal(mesh, waves)


def test_a_doubled_cell_has_twice_the_energy():
    charges, positions, cell = _water_like(n_traj=1, length=4.0)
    twice = torch.cat([positions, positions + cell[:, None, 0]], dim=1)
    longer = cell * torch.tensor([2.0, 1.0, 1.0], dtype=torch.float64)[:, None]
    one = energy_of_placement(charges, _placement(positions, cell), WIDTH)
    two = energy_of_placement(charges.repeat(1, 2), _placement(twice, longer), WIDTH)
    torch.testing.assert_close(two, 2 * one, rtol=0, atol=1e-8)


def test_what_has_no_sum_over_images_is_refused_with_a_sentence():
    cell = torch.diag(torch.tensor([9.0, 8.0, 1.5], dtype=torch.float64))
    longrange.check_cell(None, (False, False, False))
    with pytest.raises(InputError, match="must be the same in all three directions"):
        longrange.check_cell(cell, (True, True, False))
    with pytest.raises(InputError, match=r"at least 1.06 angstrom thick .* 0.79 angstrom thin"):
        longrange.check_cell(cell, (True, True, True))
    # The lattice is thick, however its vectors lean.
    longrange.check_cell(
        torch.tensor([[9.0, 0, 0], [90.0, 9.0, 0], [0, 0, 9.0]]).double(), (True, True, True)
    )
    with pytest.raises(InputError, match=r'not_there must be installed .* .pip install "nadyn\[longrange\]"'):
        longrange.check_installed("not_there", "a test")
