"""What a cone does that a rounded one cannot: a sign around it, and a gap that is linear down to nothing."""

import pytest
import torch
from contracts.untrained import untrained
from planar_crossings import move_scalar, numbers_of, planar_geometry

from nadyn.electronic.cones import branching_vectors, geometric_phase, loop_in_plane
from nadyn.electronic.surfaces import energies_and_eigenvectors
from nadyn.models.analytic.molecules import jahn_teller, trans_planar, twisted

SMALL_GAP = 1e-6  # hartree


def _triangle():
    return 0.55 * jahn_teller().starting_geometry


def _untrained_triangle(basis, seed):
    model = untrained("moments", basis, atomic_numbers=(6, 6, 6), seed=seed)
    if "1o" in basis:
        # The two components in the plane are the lower ones.
        model.potential.matrix.in_plane.fill_(-5.0)
    return model.double(), _triangle()


def _untrained_crossing(build, basis, seed):
    model = untrained("moments", basis, atomic_numbers=numbers_of(build), seed=seed).double()
    planar = planar_geometry(build, seed)
    if basis == "1x0e + 1x1e":
        # An axial vector whose component normal to the plane is far above: the pair is the lowest.
        model.potential.matrix.in_plane.fill_(-5.0)
        move_scalar(model, planar, onto=lambda matrix: torch.linalg.eigvalsh(matrix[1:3, 1:3])[0])
    else:
        move_scalar(model, planar, onto=lambda matrix: matrix[1, 1])
    return model, planar


def _lower_of_closest_pair(model, positions):
    return int(energies_and_eigenvectors(model, positions[None])[0][0].diff().argmin())


CONES = {
    "E' in a vector": lambda seed: _untrained_triangle("1x1o", seed),
    "scalar and pseudoscalar": lambda seed: _untrained_crossing(twisted, "1x0e + 1x0o", seed),
    "scalar and axial vector": lambda seed: _untrained_crossing(trans_planar, "1x0e + 1x1e", seed),
}
every_cone = pytest.mark.parametrize("name", CONES)


def _plane_at(model, place):
    return branching_vectors(model, place[None]).plane()[0]


@every_cone
@pytest.mark.parametrize("seed", [3, 4])
def test_a_loop_around_the_seam_changes_the_sign_and_one_beside_it_does_not(name, seed):
    model, place = CONES[name](seed)
    plane = _plane_at(model, place)
    around = loop_in_plane(place, plane, radius_bohr=1e-3)
    assert geometric_phase(model, around).tolist() == [-1, -1]
    assert geometric_phase(model, around + 2e-3 * plane[1]).tolist() == [1, 1]


@every_cone
def test_the_gap_is_linear_along_both_branching_vectors(name):
    model, place = CONES[name](3)
    vectors = branching_vectors(model, place[None]).orthogonal()
    for vector in (vectors.difference[0], vectors.coupling[0]):
        slope = 2.0 * float(vector.norm())
        lengths = torch.tensor([4.0, 2.0, 1.0], dtype=torch.float64) * (SMALL_GAP / slope)
        gaps = _gaps_on_both_sides(model, place, vector / vector.norm(), lengths)
        torch.testing.assert_close(gaps / lengths, torch.full_like(gaps, slope), rtol=1e-3, atol=0)


def _gaps_on_both_sides(model, place, direction, lengths):
    """Return the mean of the gaps at R + x e and R - x e; what is quadratic in x on each side cancels."""
    steps = lengths[:, None, None] * direction
    before, after = (energies_and_eigenvectors(model, place + sign * steps)[0] for sign in (-1.0, 1.0))
    return 0.5 * (before + after).diff(dim=1)[:, 0]


@pytest.mark.parametrize("seed", [3, 4, 5])
def test_an_invariant_matrix_has_no_sign_and_no_linear_gap_where_symmetry_puts_the_seam(seed):
    model, place = _untrained_triangle("2x0e", seed)
    # The plane of the true cone: that of the two distortions of the triangle.
    plane = _plane_at(jahn_teller(), jahn_teller().starting_geometry)
    loop = loop_in_plane(place, plane, radius_bohr=1e-3)
    assert geometric_phase(model, loop).tolist() == [1, 1]
    energies = energies_and_eigenvectors(model, loop)[0]
    gaps = energies[:, 1] - energies[:, 0]
    assert float(gaps.min()) > 100 * SMALL_GAP
    assert float(gaps.max() / gaps.min()) < 1.1


def test_a_state_that_is_not_part_of_the_intersection_keeps_its_sign():
    model = untrained("moments", "1x0e + 1x1o", n_states=4, atomic_numbers=(6, 6, 6)).double()
    place = _triangle()
    lower = _lower_of_closest_pair(model, place)
    plane = branching_vectors(model, place[None], lower, lower + 1).plane()[0]
    signs = geometric_phase(model, loop_in_plane(place, plane, radius_bohr=1e-3))
    assert signs.tolist() == [-1 if state in (lower, lower + 1) else 1 for state in range(4)]
