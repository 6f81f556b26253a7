"""Intersections of models that are known by heart."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from nadyn.checks.errors import InputError
from nadyn.electronic.cones import (
    BranchingVectors,
    branching_vectors,
    find_intersection,
    geometric_phase,
    loop_in_plane,
)
from nadyn.models.analytic import pyrazine, tully
from nadyn.models.analytic.molecules import jahn_teller, renner_teller, twisted


def _random(*shape, seed=4):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _distortions():
    """The two directions in which an equilateral triangle stops being one, orthonormal, by hand."""
    angles = torch.tensor([0.0, 2.0, 4.0], dtype=torch.float64) * (math.pi / 3.0)
    radial = torch.stack([angles.cos(), angles.sin(), 0 * angles], dim=1)
    tangential = torch.stack([-angles.sin(), angles.cos(), 0 * angles], dim=1)
    first = angles.cos()[:, None] * radial + angles.sin()[:, None] * tangential
    second = angles.sin()[:, None] * radial - angles.cos()[:, None] * tangential
    return torch.stack([first, second]) / math.sqrt(3.0)


def _projector(plane):
    flat = plane.flatten(1)
    return flat.T @ flat


def _circle(model, centre, radius, n_points=48):
    plane = branching_vectors(model, centre[None]).plane()[0]
    return loop_in_plane(centre, plane, radius_bohr=radius, n_points=n_points)


def test_the_branching_plane_of_a_triangle_is_that_of_its_two_distortions():
    model = jahn_teller()
    vectors = branching_vectors(model, model.starting_geometry[None])
    assert float(vectors.gap) < 1e-14
    difference = _projector(vectors.plane()[0]) - _projector(_distortions())
    assert float(difference.abs().max()) < 1e-12
    # Both are k |∇Q| = k sqrt(3/2), whatever pair of degenerate states the eigensolver took.
    for vector in (vectors.difference, vectors.coupling):
        assert float(vector.norm()) == pytest.approx(0.016 * math.sqrt(1.5), rel=1e-12)


def test_turning_two_degenerate_states_turns_g_and_h_and_leaves_their_plane():
    g, h = _random(1, 4, 3), _random(1, 4, 3, seed=5)
    before = BranchingVectors(torch.zeros(1, dtype=torch.float64), g, h)
    c, s = math.cos(0.7), math.sin(0.7)
    after = BranchingVectors(before.gap, c * g + s * h, c * h - s * g)
    torch.testing.assert_close(_projector(after.plane()[0]), _projector(before.plane()[0]))
    one, other = before.orthogonal(), after.orthogonal()
    assert abs(float((one.difference * one.coupling).sum())) < 1e-12
    assert float(one.difference.norm()) >= float(one.coupling.norm())
    assert float(other.difference.norm()) == pytest.approx(float(one.difference.norm()), rel=1e-12)
    assert float(other.coupling.norm()) == pytest.approx(float(one.coupling.norm()), rel=1e-12)


def test_the_search_ends_at_the_closest_equilateral_triangle():
    model = jahn_teller()
    start = model.starting_geometry + 0.2 * _random(4, 3, 3)
    result = find_intersection(model, start)
    assert bool(result.found.all())
    assert float(result.gap.max()) <= 1e-9
    for begin, end in zip(start, result.positions, strict=True):
        # Independently: of all sizes, places and orientations of the triangle, that of the least distance.
        reference, target = model.starting_geometry.numpy(), begin.numpy()
        centred = target - target.mean(axis=0)
        turn, _ = Rotation.align_vectors(centred, reference)
        turned = turn.apply(reference)
        size = (turned * centred).sum() / (turned * turned).sum()
        least = np.linalg.norm(size * turned - centred)
        assert float((end - begin).norm()) == pytest.approx(least, rel=1e-4)


def test_the_search_finds_the_seam_of_a_molecule_whose_states_cross_elsewhere():
    model = twisted()
    start = model.starting_geometry + 0.1 * _random(3, 4, 3)
    result = find_intersection(model, start)
    assert bool(result.found.all())
    # Only planar molecules are uncoupled.
    offset = result.positions[:, 1:] - result.positions[:, :1]
    assert float(torch.linalg.det(offset).abs().max()) < 1e-6
    # What separates the start from the closest point lies in the branching plane.
    plane = branching_vectors(model, result.positions).plane().flatten(2)
    way = (start - result.positions).flatten(1)
    inside = (plane.transpose(1, 2) @ (plane @ way[:, :, None])).squeeze(-1)
    assert float((way - inside).norm(dim=1).max() / way.norm(dim=1).min()) < 1e-3


def test_the_search_says_where_states_avoid_each_other():
    result = find_intersection(tully(1), torch.full((1, 1, 1), 0.1, dtype=torch.float64), max_steps=10)
    assert not bool(result.found.any())
    assert float(result.gap) > 0.009


def test_states_that_touch_without_a_cone_have_no_branching_plane():
    model = renner_teller()
    plane = branching_vectors(model, model.starting_geometry[None]).plane()
    assert float(plane.abs().max()) == 0.0


@pytest.mark.parametrize("radius", [1e-4, 0.3])
def test_an_eigenvector_changes_its_sign_around_an_intersection_and_not_beside_it(radius):
    model = jahn_teller()
    around = _circle(model, model.starting_geometry, radius)
    assert geometric_phase(model, around).tolist() == [-1, -1]
    plane = branching_vectors(model, model.starting_geometry[None]).plane()[0]
    beside = around + 1.5 * radius * plane[0]
    assert geometric_phase(model, beside).tolist() == [1, 1]
    assert geometric_phase(model, torch.cat([around, around])).tolist() == [1, 1]


def test_the_sign_does_not_depend_on_where_the_loop_begins_or_which_way_it_goes():
    model = pyrazine(4)
    centre = torch.tensor([0.0, 2 * 0.423 / (0.09806 + 0.13545), 0.0, 0.0], dtype=torch.float64)[:, None]
    around = _circle(model, centre, 0.5)
    for loop in (around, around.flip(0), around.roll(7, dims=0)):
        assert geometric_phase(model, loop).tolist() == [-1, -1]


def test_a_loop_with_too_few_points_is_refused():
    model = jahn_teller()
    loop = _circle(model, model.starting_geometry, 0.2, n_points=3)
    with pytest.raises(InputError, match="more points"):
        geometric_phase(model, loop)


def test_a_loop_that_is_open_at_one_place_is_refused_however_fine_it_is_elsewhere():
    # Around the cone a state turns by half the angle: by 64 degrees where a third of the loop is missing.
    model = jahn_teller()
    loop = _circle(model, model.starting_geometry, 0.2, n_points=48)
    with pytest.raises(InputError, match=r"smallest is 0\.4"):
        geometric_phase(model, loop[:32])


def test_states_that_do_not_exist_are_refused():
    model = jahn_teller()
    with pytest.raises(InputError, match="`k` and `l` must be two states"):
        branching_vectors(model, model.starting_geometry[None], 0, 2)
    with pytest.raises(InputError, match="`k` and `l` must be two states"):
        find_intersection(model, model.starting_geometry[None], 1, 1)
