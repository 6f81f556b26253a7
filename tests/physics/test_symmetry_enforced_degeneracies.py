"""Networks with random weights: what symmetry makes one level is one level before anything is learned."""

import math
from dataclasses import replace

import pytest
import torch
from contracts.encoders import few_encoders
from contracts.untrained import untrained
from planar_crossings import bent, move_scalar, numbers_of, planar_geometry

from nadyn.models.analytic.molecules import trans_planar, twisted

SEEDS = (3, 4, 5)
EXACT = 1e-10  # hartree
VISIBLE = 1e-6  # hartree; what a random network gives where symmetry asks for nothing


def _levels(model, positions):
    return torch.linalg.eigvalsh(model.double().evaluate(positions).hamiltonian)


def _smallest_gap(model, positions):
    return _levels(model, positions).diff(dim=-1).amin(dim=-1)


def _equilateral_triangles():
    angles = torch.tensor([0.4, 0.4 + 2 * math.pi / 3, 0.4 + 4 * math.pi / 3], dtype=torch.float64)
    triangle = torch.stack([angles.cos(), 0.8 * angles.sin(), 0.6 * angles.sin()], dim=1)
    return torch.linspace(1.1, 2.3, 5, dtype=torch.float64)[:, None, None] * triangle


def _rods():
    """Linear, with both arms alike and not, along no axis of the frame."""
    direction = torch.tensor([0.48, 0.6, 0.64], dtype=torch.float64)
    arms = torch.tensor([[0.0, 2.0, -2.0], [0.0, 1.7, -2.4], [0.0, 2.5, -1.8]], dtype=torch.float64)
    return arms[:, :, None] * direction


@pytest.mark.parametrize("seed", SEEDS)
@few_encoders
@pytest.mark.parametrize("basis", ["1x1o", "1x1e", "1x0e + 1x1o"])
def test_an_equilateral_triangle_and_a_rod_have_a_level_of_two_states(basis, encoder, seed):
    ring = untrained(encoder, basis, atomic_numbers=(6, 6, 6), seed=seed)
    rod = untrained(encoder, basis, atomic_numbers=(7, 1, 1), seed=seed)
    for model, positions in ((ring, _equilateral_triangles()), (rod, _rods())):
        assert float(_smallest_gap(model, positions).max()) < EXACT
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(positions.shape, generator=generator, dtype=torch.float64)
        assert float(_smallest_gap(model, positions + 0.2 * noise).min()) > VISIBLE


@pytest.mark.parametrize("seed", SEEDS)
def test_an_invariant_matrix_splits_the_level_of_two_states(seed):
    ring = untrained("moments", "2x0e", atomic_numbers=(6, 6, 6), seed=seed)
    rod = untrained("moments", "2x0e", atomic_numbers=(7, 1, 1), seed=seed)
    for model, positions in ((ring, _equilateral_triangles()), (rod, _rods())):
        assert float(_smallest_gap(model, positions).min()) > VISIBLE


@pytest.mark.parametrize("basis", ["1x1o", "1x1e"])
def test_the_sign_of_the_in_plane_term_decides_which_level_is_lower(basis):
    model = untrained("moments", basis, atomic_numbers=(6, 6, 6))
    pairs = set()
    for strength in (5.0, -5.0):
        model.potential.matrix.in_plane.fill_(strength)
        gaps = _levels(model, _equilateral_triangles()).diff(dim=-1)
        assert bool((gaps.argmin(dim=-1) == gaps[0].argmin()).all())
        pairs.add((int(gaps[0].argmin()), int(gaps[0].argmin()) + 1))
    assert pairs == {(0, 1), (1, 2)}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("build", [twisted, trans_planar])
def test_a_scalar_and_a_pseudoscalar_cross_in_a_planar_molecule(build, seed):
    model = untrained("moments", "1x0e + 1x0o", atomic_numbers=numbers_of(build), seed=seed).double()
    planar = planar_geometry(build, seed)
    move_scalar(model, planar, onto=lambda matrix: matrix[1, 1])
    assert float(_smallest_gap(model, planar[None])) < EXACT
    assert float(_smallest_gap(model, bent(planar)[None])) > VISIBLE


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("build", [twisted, trans_planar])
def test_a_scalar_and_an_axial_vector_in_the_plane_cross_in_a_planar_molecule(build, seed):
    model = untrained("moments", "1x0e + 1x1e", atomic_numbers=numbers_of(build), seed=seed).double()
    planar = planar_geometry(build, seed)
    move_scalar(model, planar, onto=lambda matrix: torch.linalg.eigvalsh(matrix[1:3, 1:3])[0])
    assert float(_smallest_gap(model, planar[None])) < EXACT
    assert float(_smallest_gap(model, bent(planar)[None])) > VISIBLE


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("build", [twisted, trans_planar])
def test_two_scalars_avoid_each_other_in_a_planar_molecule(build, seed):
    model = untrained("moments", "2x0e", atomic_numbers=numbers_of(build), seed=seed).double()
    planar = planar_geometry(build, seed)
    move_scalar(model, planar, onto=lambda matrix: matrix[1, 1])
    assert float(_smallest_gap(model, planar[None])) > VISIBLE


@pytest.mark.parametrize("seed", SEEDS)
def test_the_axis_and_the_inversion_of_a_trans_molecule_part_what_a_pseudoscalar_and_an_axial_vector_couple(
    seed,
):
    # An Au distortion keeps the twofold axis, a Bg one the inversion.
    reference, opposite = trans_planar().starting_geometry, [1, 0, 3, 2, 5, 4]
    generator = torch.Generator().manual_seed(seed)
    noise = 0.2 * torch.randn(reference.shape, generator=generator, dtype=torch.float64)
    turned = torch.tensor([-1.0, -1.0, 1.0], dtype=torch.float64)
    with_axis = reference + 0.5 * (noise + (noise * turned)[opposite])
    with_inversion = reference + 0.5 * (noise - noise[opposite])
    numbers = numbers_of(trans_planar)
    pseudoscalar = untrained("moments", "1x0e + 1x0o", atomic_numbers=numbers, seed=seed).double()
    axial = untrained("moments", "1x0e + 1x1e", atomic_numbers=numbers, seed=seed).double()

    def coupling(model, positions):
        return model.evaluate(positions[None]).hamiltonian[0, 0, 1:].abs()

    assert float(coupling(pseudoscalar, with_inversion).max()) < EXACT
    assert float(coupling(pseudoscalar, with_axis).max()) > VISIBLE
    # In the plane, that is across the axis.
    assert float(coupling(axial, with_axis)[:2].max()) < EXACT
    assert float(coupling(axial, with_inversion)[:2].max()) > VISIBLE


@pytest.mark.slow
def test_the_same_holds_in_single_precision_but_for_rounding():
    model = untrained("moments", "1x1o", atomic_numbers=(6, 6, 6))
    assert model.precision == torch.float32
    levels = torch.linalg.eigvalsh(model.evaluate(_equilateral_triangles()).hamiltonian)
    assert EXACT < float(levels.diff(dim=-1).amin(dim=-1).max()) < 1e-6
    again = replace(model, name="again").double()
    assert float(_smallest_gap(again, _equilateral_triangles()).max()) < EXACT
