"""Parameters of a cone against the cone itself, and loops around it."""

import math

import numpy as np
import pytest
from scipy.stats import ortho_group
from seam_models import without_couplings

from nadyn.electronic.crossings import Landscape, Point, landscape_of_model, pair_of
from nadyn.electronic.crossings.loop import loop_around
from nadyn.electronic.crossings.topography import topography
from nadyn.models.analytic.molecules import jahn_teller, renner_teller


def _cone(g, h, slope):
    """A landscape of E = slope·R ± [(g·R)² + (h·R)²]^½ with the states as an eigensolver gives them."""

    def ask(geometries):
        return [one(positions) for positions in geometries]

    def one(positions):
        # At the tip any two states will do: those of a displacement that belongs to no axis.
        r = (
            positions
            if np.abs(positions).max() > 1e-14
            else 1e-14 * np.cos(np.arange(positions.size)).reshape(positions.shape)
        )
        a, b = float((g * r).sum()), float((h * r).sum())
        half = math.hypot(a, b)
        gradient = (a * g + b * h) / half
        coupling = (a * h - b * g) / half
        mean = float((slope * r).sum())
        rows = np.full((2, 2, *positions.shape), np.nan)
        rows[0, 1] = rows[1, 0] = coupling
        return Point(
            positions,
            np.array([mean - half, mean + half]),
            np.stack([slope - gradient, slope + gradient]),
            rows,
        )

    return Landscape("cone", ask, (1, 1), None, False, False, True, True)


def _random_cone(seed):
    random = np.random.default_rng(seed)
    g, h, slope = 0.05 * random.standard_normal((3, 2, 1))
    return _cone(g, h, random.choice([0.5, 1.5]) * slope), slope


@pytest.mark.parametrize("seed", range(12))
def test_peaked_and_bifurcating_mean_what_the_energies_do(seed, unchecked_annotations):
    landscape, _ = _random_cone(seed)
    cone = topography(landscape, pair_of(landscape, 0, 1), landscape.ask([np.zeros((2, 1))])[0])
    angles = np.linspace(0, 2 * np.pi, 3600, endpoint=False)
    points = landscape.ask([0.01 * np.array([[math.cos(a)], [math.sin(a)]]) for a in angles])
    lower, upper = np.array([point.energies for point in points]).T
    assert (cone.peakedness < 1) == bool(upper.min() > 0)
    # Ways down are directions in which the lower energy falls more steeply than beside them, in the metric of
    # the molecule.
    valleys = int(((lower < np.roll(lower, 1)) & (lower < np.roll(lower, -1))).sum())
    assert (cone.branching < 1) == (valleys == 2)


@pytest.mark.parametrize("seed", range(3))
def test_the_linear_cone_of_the_parameters_is_that_of_the_energies(seed):
    landscape, _ = _random_cone(seed)
    cone = topography(landscape, pair_of(landscape, 0, 1), landscape.ask([np.zeros((2, 1))])[0])
    x, y = 0.02, -0.03
    lower, upper = cone.energies(np.array([x]), np.array([y]))
    (point,) = landscape.ask([x * cone.directions[0] + y * cone.directions[1]])
    np.testing.assert_allclose([lower[0], upper[0]], point.energies, rtol=1e-10)
    # The same in the form in which the paper gives it.
    r, theta = math.hypot(x, y), math.atan2(y, x)
    tilt = cone.tilt * math.cos(theta - cone.heading)
    round_ = math.sqrt(1 + cone.asymmetry * math.cos(2 * theta))
    assert cone.pitch * r * (tilt + round_) == pytest.approx(upper[0], rel=1e-10)


def test_parameters_do_not_depend_on_how_two_degenerate_states_are_turned():
    g, h, slope = 0.05 * np.random.default_rng(8).standard_normal((3, 2, 1))
    whole = []
    for angle in (0.0, 0.4, 1.3):
        c, s = math.cos(angle), math.sin(angle)
        landscape = _cone(c * g + s * h, c * h - s * g, slope)
        cone = topography(landscape, pair_of(landscape, 0, 1), landscape.ask([np.zeros((2, 1))])[0])
        whole.append((cone.pitch, cone.asymmetry, cone.tilt, cone.heading, cone.peakedness, cone.branching))
    np.testing.assert_allclose(whole[1:], [whole[0]] * 2, rtol=1e-9)


@pytest.mark.parametrize("knows_second", [True, False])
def test_gradients_nearby_give_the_cone_that_couplings_give(knows_second):
    random = np.random.default_rng(4)
    # In five coordinates, of which three lie along the seam.
    basis = ortho_group.rvs(5, random_state=4)
    g, h, slope = (0.05 * (random.standard_normal(2) @ basis[:2])[:, None] for _ in range(3))
    landscape = _cone(g, h, slope)
    pair = pair_of(landscape, 0, 1)
    (tip,) = landscape.ask([np.zeros((5, 1))])
    exact = topography(landscape, pair, tip)
    second = basis[0] + 0.2 * basis[3] if knows_second else None
    found = topography(
        without_couplings(landscape), pair, without_couplings(landscape).ask([np.zeros((5, 1))])[0], second
    )
    for name in ("pitch", "asymmetry", "tilt", "heading"):
        assert getattr(found, name) == pytest.approx(getattr(exact, name), rel=1e-8)
    np.testing.assert_allclose(found.directions, exact.directions, atol=1e-8)


def test_a_round_cone_without_a_tilt_prefers_no_direction():
    model = jahn_teller()
    landscape = landscape_of_model(model)
    (tip,) = landscape.ask([model.starting_geometry.numpy()])
    cone = topography(landscape, pair_of(landscape, 0, 1), tip)
    assert cone.asymmetry < 1e-9 and cone.tilt < 1e-9
    assert cone.words == "peaked, the same all around"


def test_states_that_touch_without_a_cone_have_none():
    model = renner_teller()
    landscape = landscape_of_model(model)
    (tip,) = landscape.ask([model.starting_geometry.numpy()])
    assert topography(landscape, pair_of(landscape, 0, 1), tip) is None


@pytest.mark.parametrize("squeeze", [1.0, 0.3, 0.05])
def test_a_loop_turns_a_state_by_half_a_circle_however_uneven_the_cone_is(squeeze):
    g, h = np.array([[0.05], [0.0]]), np.array([[0.0], [0.05 * squeeze]])
    landscape = _cone(g, h, 0.3 * g)
    pair = pair_of(landscape, 0, 1)
    (tip,) = landscape.ask([np.zeros((2, 1))])
    loop = loop_around(landscape, pair, tip, topography(landscape, pair, tip))
    assert abs(loop.turned) == pytest.approx(math.pi, rel=1e-2)
    assert loop.sign == -1 and loop.sign_by_overlaps is None


def test_a_loop_beside_the_tip_turns_nothing():
    model = jahn_teller()
    landscape = landscape_of_model(model)
    pair = pair_of(landscape, 0, 1)
    (tip,) = landscape.ask([model.starting_geometry.numpy()])
    cone = topography(landscape, pair, tip)
    (beside,) = landscape.ask([tip.positions + 0.2 * cone.directions[0]])
    around = loop_around(landscape, pair, beside, cone, radius_bohr=0.05)
    assert around.turned == pytest.approx(0.0, abs=1e-2) and around.sign == 1
    assert abs(loop_around(landscape, pair, tip, cone).turned) == pytest.approx(math.pi, rel=1e-2)


def test_overlaps_of_a_source_tell_the_sign_without_couplings():
    model = jahn_teller()
    exact = landscape_of_model(model)
    random = np.random.default_rng(1)
    vectors = {}

    def states(point):
        key = point.positions.tobytes()
        if key not in vectors:
            import torch

            from nadyn.electronic.surfaces import energies_and_eigenvectors

            found = energies_and_eigenvectors(model, torch.from_numpy(point.positions)[None])[1][0].numpy()
            vectors[key] = found * random.choice([-1.0, 1.0], size=2)
        return vectors[key]

    blind = without_couplings(exact)
    landscape = Landscape(
        "overlaps",
        blind.ask,
        (1, 1),
        exact.atomic_numbers,
        True,
        True,
        False,
        False,
        overlaps=lambda a, b: states(a).T @ states(b),
    )
    pair = pair_of(landscape, 0, 1)
    (tip,) = landscape.ask([model.starting_geometry.numpy()])
    cone = topography(landscape, pair, tip)
    loop = loop_around(landscape, pair, tip, cone)
    assert math.isnan(loop.turned) and loop.sign_by_overlaps == loop.sign == -1
    (beside,) = landscape.ask([tip.positions + 0.2 * cone.directions[0]])
    assert loop_around(landscape, pair, beside, cone).sign == 1
    coarse = loop_around(landscape, pair, tip, cone, n_points=3)
    assert coarse.sign is None
