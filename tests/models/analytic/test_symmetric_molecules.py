"""Molecules with a formula: where their states touch, and what couples them."""

import math

import pytest
import torch

from nadyn.electronic.surfaces import energies_and_eigenvectors, surfaces
from nadyn.models.analytic import analytic_model
from nadyn.models.analytic.molecules import jahn_teller, renner_teller, trans_planar, twisted

MIRROR = torch.tensor([1.0, 1.0, -1.0], dtype=torch.float64)


def _random(*shape, seed=4):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _gap(model, positions):
    energies = energies_and_eigenvectors(model, positions)[0]
    return energies[:, 1] - energies[:, 0]


def test_every_equilateral_triangle_is_an_intersection_and_no_other_triangle_near_it_is():
    model = jahn_teller()
    sizes = torch.linspace(0.7, 1.5, 5, dtype=torch.float64)[:, None, None]
    assert float(_gap(model, sizes * model.starting_geometry).max()) < 1e-14
    distorted = model.starting_geometry + 0.1 * _random(5, 3, 3)
    assert float(_gap(model, distorted).min()) > 1e-4


def test_an_exchange_of_atoms_turns_the_distortion_and_the_two_states_alike():
    model = jahn_teller()
    positions = model.starting_geometry + 0.2 * _random(4, 3, 3)
    cycle = torch.tensor([1, 2, 0])
    before = model.evaluate(positions).hamiltonian
    after = model.evaluate(positions[:, cycle]).hamiltonian
    angle = 2.0 * math.pi / 3.0
    turn = torch.tensor(
        [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]], dtype=torch.float64
    )
    torch.testing.assert_close(after, turn @ before @ turn.T, rtol=0, atol=1e-15)
    assert float((after - before).abs().max()) > 1e-3


def test_the_trough_of_the_jahn_teller_molecule_has_the_depth_of_perturbation_theory():
    # k²/2K lies between the depths of the three minima and the three saddles of the warped trough.
    model = jahn_teller()
    lengths = []
    for sign in (1.0, -1.0):
        isosceles = model.starting_geometry + sign * torch.tensor(
            [[0.0, 0, 0], [0, 0.3, 0], [0, -0.3, 0]], dtype=torch.float64
        )
        scaled = torch.linspace(0.9, 1.1, 41, dtype=torch.float64)[:, None, None] * isosceles
        lengths.append(float(energies_and_eigenvectors(model, scaled)[0][:, 0].min()))
    depths = sorted(-value for value in lengths)
    harmonic = 0.016**2 / (2 * 0.040)
    assert 0.6 * harmonic < depths[0] < depths[1] < 1.7 * harmonic


def test_the_levels_of_a_bent_pi_molecule_part_with_the_square_of_the_bend():
    model = renner_teller()
    bends = torch.tensor([0.0, 0.05, 0.1, 0.2], dtype=torch.float64)
    r = 2.25
    arms = [torch.stack([r * bends.sin(), 0 * bends, sign * r * bends.cos()], dim=-1) for sign in (1, -1)]
    positions = torch.stack([torch.zeros(4, 3, dtype=torch.float64), *arms], dim=1)
    gaps = _gap(model, positions)
    assert float(gaps[0]) < 1e-15
    # b = 2 sin(bend) where both arms are alike.
    torch.testing.assert_close(gaps, 0.062 * (2 * bends.sin()) ** 2, rtol=1e-10, atol=1e-15)


def test_the_upper_level_of_a_bent_pi_molecule_lies_normal_to_it():
    model = renner_teller()
    planar = model.starting_geometry + 0.3 * _random(6, 3, 3) * torch.tensor([1.0, 0.0, 1.0])
    vectors = energies_and_eigenvectors(model, planar)[1]
    torch.testing.assert_close(vectors[:, 1, 1].abs(), torch.ones(6, dtype=torch.float64), rtol=0, atol=1e-12)


@pytest.mark.parametrize("build", [twisted, trans_planar])
def test_a_planar_molecule_is_uncoupled_and_mirror_images_differ_in_sign(build):
    model = build()
    planar = model.starting_geometry + 0.1 * _random(5, *model.starting_geometry.shape) * (
        1 - (MIRROR < 0) * 1.0
    )
    assert float(model.evaluate(planar).hamiltonian[:, 0, 1].abs().max()) == 0.0
    bent = model.starting_geometry + 0.1 * _random(5, *model.starting_geometry.shape)
    coupling = model.evaluate(bent).hamiltonian[:, 0, 1]
    torch.testing.assert_close(coupling, -model.evaluate(bent * MIRROR).hamiltonian[:, 0, 1])
    assert float(coupling.abs().min()) > 1e-5


def test_both_mirrors_of_the_cis_molecule_forbid_the_coupling_and_the_axis_does_not():
    model = twisted()
    left_to_right = torch.tensor([1, 0, 3, 2])
    random = 0.1 * _random(5, 4, 3)
    # Symmetric under (x, y, z) -> (-x, y, z), and under the rotation (x, y, z) -> (-x, y, -z).
    for signs, coupled in ((torch.tensor([-1.0, 1, 1]), False), (torch.tensor([-1.0, 1, -1]), True)):
        distortion = 0.5 * (random + (random * signs)[:, left_to_right])
        coupling = model.evaluate(model.starting_geometry + distortion).hamiltonian[:, 0, 1].abs()
        assert (float(coupling.max()) > 1e-4) == coupled


def test_the_axis_of_the_trans_molecule_forbids_the_coupling_and_the_inversion_does_not():
    model = trans_planar()
    opposite = torch.tensor([1, 0, 3, 2, 5, 4])
    random = 0.1 * _random(5, 6, 3)
    for signs, coupled in ((torch.tensor([-1.0, -1, 1]), False), (torch.tensor([-1.0, -1, -1]), True)):
        distortion = 0.5 * (random + (random * signs)[:, opposite])
        coupling = model.evaluate(model.starting_geometry + distortion).hamiltonian[:, 0, 1].abs()
        assert (float(coupling.max()) > 1e-4) == coupled
        assert float(coupling.max()) < 1e-15 or coupled


def test_the_level_along_the_axis_of_a_linear_pi_molecule_lies_eleven_electronvolts_above():
    model = renner_teller()
    levels = torch.linalg.eigvalsh(model.evaluate(model.starting_geometry[None]).hamiltonian)[0]
    assert float(levels[1] - levels[0]) < 1e-15
    # D |a|² with |a| = 2.
    assert float(levels[2] - levels[1]) * 27.211386 == pytest.approx(10.88, abs=0.01)


# By formulas written a second time from the docstrings, with plain numpy.
LEVELS = {
    "jahn_teller": [-0.0022616080, 0.0062692528],
    "renner_teller": [-0.0006395003, 0.0011810210, 0.3982447171],
    "twisted": [0.0212000284, 0.0400813388],
    "trans_planar": [0.0681047252, 0.1179034941],
}


@pytest.mark.parametrize("name", LEVELS)
def test_the_levels_of_a_crooked_molecule_are_those_that_data_was_made_from(name):
    model = analytic_model({"name": name})
    n = model.starting_geometry.numel()
    crooked = 0.15 * torch.sin(1.0 + torch.arange(n, dtype=torch.float64)).reshape(-1, 3)
    levels = torch.linalg.eigvalsh(model.evaluate((model.starting_geometry + crooked)[None]).hamiltonian)[0]
    assert levels.tolist() == pytest.approx(LEVELS[name], rel=0, abs=1e-9)


@pytest.mark.parametrize("name", ["jahn_teller", "renner_teller", "twisted", "trans_planar"])
def test_a_run_file_can_name_the_molecule(name):
    model = analytic_model({"name": name})
    assert model.name == name
    assert bool(torch.isfinite(surfaces(model, model.starting_geometry[None]).energies).all())
