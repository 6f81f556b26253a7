"""Searches for the lowest crossing, on models whose answer is known otherwise."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from seam_models import linear_model, lowest_of_linear_model, without_couplings

import nadyn
from nadyn.checks.errors import InputError
from nadyn.electronic.crossings import Goals, Penalty, Wishes, find_crossings, landscape_of_model, pair_of
from nadyn.electronic.crossings.drive import drive
from nadyn.electronic.crossings.penalty import search_by_penalty
from nadyn.electronic.crossings.projection import search_by_projection
from nadyn.models.analytic import pyrazine, tully
from nadyn.models.analytic.lvc_template import sulfur_dioxide
from nadyn.models.analytic.molecules import jahn_teller
from nadyn.models.model import Evaluation
from nadyn.shipped import path
from nadyn.structures import pair_distances


def _starts(model, n, size, seed=1):
    random = np.random.default_rng(seed)
    centre = getattr(model, "starting_geometry", None)
    shape = (len(model.masses), 1 if centre is None else 3)
    centre = np.zeros(shape) if centre is None else centre.numpy()
    return [centre + size * random.standard_normal(shape) for _ in range(n)]


@pytest.mark.parametrize("knows_couplings", [True, False])
def test_projection_finds_the_lowest_point_of_a_linear_seam(knows_couplings):
    model, *parameters = linear_model()
    q, energy = lowest_of_linear_model(*parameters)
    landscape = landscape_of_model(model)
    landscape = landscape if knows_couplings else without_couplings(landscape)
    goals = Goals(gap=1e-7, gradient=1e-7)
    pair = pair_of(landscape, 0, 1)
    searches = [search_by_projection(landscape, pair, start, goals) for start in _starts(model, 4, 1.0)]
    for end in drive(landscape, searches):
        assert end.is_found
        np.testing.assert_allclose(end.point.positions[:, 0], q, atol=1e-3)
        assert pair.mean(end.point) == pytest.approx(energy, abs=1e-7)


def test_the_gap_that_a_penalty_leaves_falls_as_its_strength_grows_and_the_place_becomes_the_lowest():
    model, *parameters = linear_model()
    q, _ = lowest_of_linear_model(*parameters)
    landscape = landscape_of_model(model)
    pair = pair_of(landscape, 0, 1)
    gaps, far = [], []
    for goal in (1e-3, 1e-4, 1e-5):
        penalty = Penalty(gap=goal, gradient=1e-7)
        search = search_by_penalty(landscape, pair, _starts(model, 1, 1.0)[0], Goals(), penalty)
        (end,) = drive(landscape, [search])
        assert end.is_found
        gaps.append(pair.gap(end.point))
        far.append(float(np.abs(end.point.positions[:, 0] - q).max()))
    assert gaps[0] > gaps[1] > gaps[2]
    # The distance is that of the gap: linear in it.
    assert far[2] < 0.02 * far[0] and far[2] < 5e-3


def test_the_slope_of_a_penalty_is_the_derivative_of_its_value():
    penalty = Penalty()
    for gap in (-0.03, 1e-4, 0.02):
        step = 1e-7
        difference = penalty.value(3.5, 0.1, gap + step) - penalty.value(3.5, 0.1, gap - step)
        assert penalty.slope(3.5, gap) == pytest.approx(difference / (2 * step), rel=1e-5)


@pytest.mark.parametrize("knows_couplings", [True, False])
def test_the_crossing_of_a_jahn_teller_molecule_is_its_equilateral_triangle(knows_couplings):
    model = jahn_teller()
    landscape = landscape_of_model(model)
    landscape = landscape if knows_couplings else without_couplings(landscape)
    found = find_crossings(landscape, _starts(model, 3, 0.2)).found
    assert len(found) == 1 and set(found[0].starts) == {0, 1, 2}
    sides = pair_distances(found[0].point.positions)
    reference = pair_distances(model.starting_geometry.numpy())
    np.testing.assert_allclose(sides, reference, atol=2e-3)
    assert found[0].energy == pytest.approx(0.0, abs=1e-6)
    assert found[0].methods == ("projection", "penalty")
    assert found[0].penalty_rmsd < 0.01 and abs(found[0].penalty_energy) < 1e-5


def _lowest_with_a_small_gap(landscape, start, pair, gap):
    """Return the lowest mean energy with a gap of at most so much, by SLSQP of scipy."""
    shape = start.shape

    def at(x, seen={}):  # noqa: B006
        if x.tobytes() not in seen:
            seen[x.tobytes()] = landscape.ask([x.reshape(shape)])[0]
        return seen[x.tobytes()]

    result = minimize(
        lambda x: pair.mean(at(x)),
        start.ravel(),
        jac=lambda x: pair.slope(at(x)).ravel(),
        constraints={
            "type": "ineq",
            "fun": lambda x: gap - pair.gap(at(x)),
            "jac": lambda x: -2.0 * pair.difference(at(x)).ravel(),
        },
        method="SLSQP",
        options={"maxiter": 200, "ftol": 1e-8},
    )
    assert result.success
    return result.x.reshape(shape), float(result.fun)


def test_the_crossing_of_ammonia_is_that_of_a_general_optimiser_under_a_condition(unchecked_annotations):
    model = nadyn.load_model(path("ammonia/ammonia.safetensors"))
    landscape = landscape_of_model(model)
    stretched = model.starting_geometry.numpy().copy()
    stretched[1] += 0.9 * (stretched[1] - stretched[0])
    found = find_crossings(landscape, [stretched], wishes=Wishes(methods="projection")).found[0]
    beside = found.point.positions + 0.2 * np.random.default_rng(1).standard_normal((4, 3))
    positions, energy = _lowest_with_a_small_gap(landscape, beside, found.pair, 2e-4)
    # A gap that is allowed lowers the energy by at most half of it, as the cone is peaked.
    assert found.energy - 1e-4 < energy < found.energy
    np.testing.assert_allclose(
        np.sort(pair_distances(positions)), np.sort(pair_distances(found.point.positions)), atol=0.01
    )
    assert found.point.doubt == ""
    assert found.loop.sign == -1
    assert found.cone.words == "peaked, bifurcating"
    assert not found.curvature.is_saddle


def test_states_of_two_multiplicities_cross_at_their_lowest_common_point(unchecked_annotations):
    model = sulfur_dioxide("triplets")
    landscape = landscape_of_model(model)
    assert [landscape.state_name(k) for k in range(6)] == ["S0", "S1", "S2", "T1", "T2", "T3"]
    found = find_crossings(landscape, _starts(model, 2, 1.0), (0, 3)).found
    assert len(found) == 1
    one = found[0]
    assert not one.pair.is_coupled and one.cone is None and one.loop is None
    assert abs(one.gap) < 1e-5

    def at(x):
        return landscape.ask([x[:, None]])[0]

    result = minimize(
        lambda x: one.pair.mean(at(x)),
        np.ones(3),
        jac=lambda x: one.pair.slope(at(x)).ravel(),
        constraints={
            "type": "eq",
            "fun": lambda x: one.pair.gap(at(x)),
            "jac": lambda x: 2.0 * one.pair.difference(at(x)).ravel(),
        },
        method="SLSQP",
        options={"ftol": 1e-12},
    )
    assert one.energy == pytest.approx(result.fun, abs=2e-6)


def test_energies_by_multiplicity_are_those_of_the_whole_matrix_in_another_order():
    model = sulfur_dioxide("triplets")
    (point,) = landscape_of_model(model).ask([np.array([[0.3], [-0.2], [0.4]])])
    whole = np.linalg.eigvalsh(model.evaluate(torch.from_numpy(point.positions)[None]).hamiltonian[0])
    np.testing.assert_allclose(np.sort(point.energies), whole, atol=1e-12)
    assert (np.diff(point.energies[:3]) > 0).all() and (np.diff(point.energies[3:]) > 0).all()
    assert np.isnan(point.couplings[0, 3]).all() and np.isfinite(point.couplings[0, 2]).all()


class _TwoValleys:
    """A straight seam that is lowest on both sides of its middle: E = z⁴ - z²/2 along it."""

    name, coordinates, laws = "two-valleys", "generalised", frozenset()
    n_states = n_basis = 2
    masses = torch.ones(3, dtype=torch.float64)
    atomic_numbers = shortest_distances = None
    fixed_diabatic_basis, block_width = True, 8

    def evaluate(self, positions):
        x, y, z = positions[:, 0, 0], positions[:, 1, 0], positions[:, 2, 0]
        mean = z**4 - 0.5 * z**2 + x * x + y * y + 0.1 * x
        hamiltonian = torch.stack([mean + x, y, y, mean - x], dim=-1).reshape(-1, 2, 2)
        return Evaluation(hamiltonian, torch.zeros_like(x))


def test_a_saddle_of_the_seam_is_left_for_a_minimum():
    landscape = landscape_of_model(_TwoValleys())
    on_ridge = np.array([[0.2], [0.3], [0.0]])
    stays = find_crossings(landscape, [on_ridge], wishes=Wishes(kick_bohr=0.0, is_minimum_checked=False))
    assert stays.found[0].point.positions[2, 0] == pytest.approx(0.0, abs=1e-6)
    left = find_crossings(landscape, [on_ridge], wishes=Wishes(kick_bohr=0.0, methods="projection"))
    assert abs(left.found[0].point.positions[2, 0]) == pytest.approx(0.5, abs=1e-3)
    assert left.found[0].curvature.lowest == pytest.approx(12 * 0.25 - 1.0, rel=1e-2)


def test_a_search_says_where_states_only_avoid_each_other():
    landscape = landscape_of_model(tully(1))
    result = find_crossings(landscape, [np.array([[0.4]])], wishes=Wishes(goals=Goals(max_points=40)))
    assert result.found == ()
    assert {one.method for one in result.given_up} == {"projection", "penalty"}
    assert "the gap stays at 0.27" in next(o.reason for o in result.given_up if o.method == "projection")


def test_mirror_images_and_exchanged_atoms_are_one_crossing(unchecked_annotations):
    model = nadyn.load_model(path("ammonia/ammonia.safetensors"))
    landscape = landscape_of_model(model)
    stretched = model.starting_geometry.numpy().copy()
    stretched[1] += 0.9 * (stretched[1] - stretched[0])
    other = stretched[[0, 2, 1, 3]] * np.array([-1.0, 1.0, 1.0])
    wishes = Wishes(methods="projection", has_loop=False, is_minimum_checked=False)
    found = find_crossings(landscape, [stretched, other], wishes=wishes).found
    assert len(found) == 1 and found[0].starts == (0, 1)


def test_states_that_cannot_meet_by_two_are_refused():
    landscape = landscape_of_model(sulfur_dioxide("triplets"))
    with pytest.raises(InputError, match="all three would have to meet"):
        find_crossings(landscape, [np.zeros((3, 1))], (0, 2))
    with pytest.raises(InputError, match="0 <= first < second < 6"):
        find_crossings(landscape, [np.zeros((3, 1))], (3, 3))
    with pytest.raises(InputError, match="at least one geometry"):
        find_crossings(landscape_of_model(pyrazine(4)), [])
