"""Models trained on formulas: the cone is where the formula has it, and has its slopes.

The models are made by `benchmarks/symmetric_surfaces.py`, see fixtures/README.md.
"""

from pathlib import Path

import pytest
import torch

from nadyn.electronic.cones import branching_vectors, find_intersection, geometric_phase, loop_in_plane
from nadyn.electronic.surfaces import energies_and_eigenvectors
from nadyn.models import load_model
from nadyn.models.analytic.molecules import jahn_teller, twisted
from nadyn.units import ELECTRONVOLT_PER_HARTREE

FIXTURES = Path(__file__).parent / "fixtures"
MEV = 1e3 * ELECTRONVOLT_PER_HARTREE
# What the trainings reached: angle of the planes [radian], slopes, distance of the seams [bohr].
ANGLE, SLOPE, DISTANCE = 0.02, 0.01, 2e-3

LEARNED = {"jahn_teller-1x1o": jahn_teller, "twisted-1x0e+1x0o": twisted}
every_cone = pytest.mark.parametrize("name", LEARNED)


def _model(name):
    return load_model(FIXTURES / f"{name}.safetensors").double()


def _seam(build, n=6):
    """Points of the formula's seam near geometries that are distorted at random, as those of the training."""
    reference = build().starting_geometry
    noise = torch.rand(n, *reference.shape, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    result = find_intersection(build(), reference + 0.05 * (2.0 * noise - 1.0))
    assert bool(result.found.all())
    return result.positions


@every_cone
def test_the_seam_and_the_branching_plane_are_those_of_the_formula(name):
    formula, model = LEARNED[name](), _model(name)
    places = _seam(LEARNED[name])
    own = find_intersection(model, places)
    assert bool(own.found.all())
    assert float((own.positions - places).flatten(1).norm(dim=1).max()) < DISTANCE
    expected, learned = branching_vectors(formula, places), branching_vectors(model, own.positions)
    cosines = torch.linalg.svdvals(expected.plane().flatten(2) @ learned.plane().flatten(2).mT)
    assert float(torch.acos(cosines.clamp(max=1.0)).max()) < ANGLE
    for vector in ("difference", "coupling"):
        slopes = [getattr(v.orthogonal(), vector).flatten(1).norm(dim=1) for v in (learned, expected)]
        torch.testing.assert_close(slopes[0], slopes[1], rtol=SLOPE, atol=0)


@every_cone
def test_the_learned_eigenvector_changes_its_sign_around_the_seam_of_the_formula(name):
    formula, model = LEARNED[name](), _model(name)
    for place in _seam(LEARNED[name]):
        plane = branching_vectors(formula, place[None]).plane()[0]
        around = loop_in_plane(place, plane, radius_bohr=0.02)
        assert geometric_phase(model, around).tolist() == [-1, -1]
        assert geometric_phase(model, around + 0.04 * plane[1]).tolist() == [1, 1]


@every_cone
def test_the_learned_gap_is_linear_down_to_a_millionth_of_a_hartree(name):
    model = _model(name)
    place = find_intersection(model, _seam(LEARNED[name])[:1]).positions[0]
    vectors = branching_vectors(model, place[None]).orthogonal()
    for vector in (vectors.difference[0], vectors.coupling[0]):
        slope = 2.0 * float(vector.norm())
        lengths = torch.tensor([100.0, 10.0, 1.0], dtype=torch.float64) * (1e-6 / slope)
        steps = lengths[:, None, None] * vector / vector.norm()
        gaps = energies_and_eigenvectors(model, place + steps)[0].diff(dim=1)[:, 0]
        torch.testing.assert_close(gaps / lengths, torch.full_like(gaps, slope), rtol=5e-3, atol=0)


def test_the_invariant_matrix_rounds_the_cone_and_knows_no_sign():
    model = _model("jahn_teller-2x0e")
    for place in _seam(jahn_teller):
        gap = float(energies_and_eigenvectors(model, place[None])[0].diff(dim=1)) * MEV
        # The same training in the basis that fits leaves nothing here.
        assert gap > 1.0
        plane = branching_vectors(jahn_teller(), place[None]).plane()[0]
        assert geometric_phase(model, loop_in_plane(place, plane, radius_bohr=0.02)).tolist() == [1, 1]
