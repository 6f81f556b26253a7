"""Minimum, Hessian and vibrations of molecules whose answers are known."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from nadyn.checks.errors import InputError
from nadyn.dynamics.initial import oscillators
from nadyn.dynamics.initial.hessian import hessian
from nadyn.dynamics.initial.minimise import minimise
from nadyn.dynamics.initial.normal_modes import normal_modes, rigid_motions
from nadyn.models.analytic import springs, tully
from nadyn.models.model import CARTESIAN_LAWS


def _relaxed_hessian(model):
    """Σ k r̂r̂ᵀ over all springs, exact where none is stretched."""
    positions = model.starting_geometry.numpy()
    n = len(positions)
    result = np.zeros((n, 3, n, 3))
    for (i, j), k in zip(model.pairs.T.tolist(), model.stiffness[:, 0, 0].tolist(), strict=True):
        unit = (positions[j] - positions[i]) / np.linalg.norm(positions[j] - positions[i])
        block = k * np.outer(unit, unit)
        for a, b, sign in ((i, i, 1), (j, j, 1), (i, j, -1), (j, i, -1)):
            result[a, :, b, :] += sign * block
    return result.reshape(3 * n, 3 * n)


def test_the_hessian_is_that_of_the_springs(ammonia_like):
    numeric = hessian(ammonia_like, ammonia_like.starting_geometry.numpy(), state=0)
    assert numeric.shape == (12, 12)
    np.testing.assert_allclose(numeric, _relaxed_hessian(ammonia_like), atol=1e-8)


def test_the_hessian_of_the_upper_state_is_that_of_its_energy():
    # Tully 2 at the origin, where W is even: E_1 = (V22 + √(V22² + 4 V12²)) / 2.
    def upper(x):
        v22 = -0.10 * np.exp(-0.28 * x**2) + 0.05
        return 0.5 * (v22 + np.sqrt(v22**2 + 4 * (0.015 * np.exp(-0.06 * x**2)) ** 2))

    step = 1e-3
    expected = (upper(0.3 + step) - 2 * upper(0.3) + upper(0.3 - step)) / step**2
    numeric = hessian(tully(2), np.array([[0.3]]), state=1)
    assert numeric[0, 0] == pytest.approx(expected, rel=1e-4)


def test_the_minimiser_finds_the_springs_at_rest(ammonia_like):
    generator = np.random.default_rng(4)
    start = ammonia_like.starting_geometry.numpy()
    found = minimise(ammonia_like, start + 0.3 * generator.normal(size=start.shape), state=0)
    at = torch.tensor(found.positions[None], requires_grad=True)
    (gradient,) = torch.autograd.grad(ammonia_like.evaluate(at).hamiltonian.sum(), at)
    assert float(gradient.abs().max()) <= 1e-6
    assert found.energy == pytest.approx(-1.5, abs=1e-10)
    distances = [np.linalg.norm(x[:, None] - x[None], axis=-1) for x in (found.positions, start)]
    np.testing.assert_allclose(distances[0], distances[1], atol=1e-4)


def test_a_minimum_is_found_where_an_atom_has_nowhere_to_go(carbon_dioxide_like):
    start = np.array([[0.0, 0.0, -2.6], [0.0, 0.0, 0.0], [0.0, 0.0, 2.6]])
    found = minimise(carbon_dioxide_like, start, state=0)
    # Both bonds of k = 0.9 against the ends' repulsion of k = 0.05.
    length = (0.9 * 2.1 + 6 * 0.05) / (0.9 + 2 * 0.05)
    np.testing.assert_allclose(found.positions[:, 2], [-length, 0.0, length], atol=1e-5)


def test_the_minimiser_says_when_there_is_no_minimum(ammonia_like):
    # Springs that push at any distance.
    positions = ammonia_like.starting_geometry
    one = torch.ones(1, 1, 4, 4, dtype=torch.float64)
    model = springs(
        positions,
        ammonia_like.atomic_numbers,
        constant=torch.zeros(1, 1, dtype=torch.float64),
        stiffness=-0.1 * one,
        lengths=0.1 * one,
    )
    with pytest.raises(InputError, match=r"state 0 must have a minimum .* in 20 steps .*another `geometry`"):
        minimise(model, positions.numpy(), state=0, max_steps=20)


def test_a_bent_molecule_has_3n_minus_6_vibrations(ammonia_like):
    positions = ammonia_like.starting_geometry.numpy()
    masses = ammonia_like.masses.numpy()
    curvature = _relaxed_hessian(ammonia_like)
    modes = normal_modes(curvature, positions, masses, laws=CARTESIAN_LAWS)
    assert modes.frequencies.shape == (6,)
    assert modes.bends == ()
    # Against the plain eigenvalues of the mass-weighted Hessian, whose six smallest are the rigid motions.
    root = np.repeat(np.sqrt(masses), 3)
    plain = np.linalg.eigvalsh(curvature / np.outer(root, root))
    np.testing.assert_allclose(modes.frequencies**2, plain[6:], rtol=1e-9)
    assert np.abs(plain[:6]).max() < 1e-12


def test_a_linear_molecule_has_3n_minus_5_vibrations(carbon_dioxide_like):
    minimum = minimise(carbon_dioxide_like, carbon_dioxide_like.starting_geometry.numpy(), state=0)
    curvature = hessian(carbon_dioxide_like, minimum.positions, state=0)
    masses = carbon_dioxide_like.masses.numpy()
    modes = normal_modes(curvature, minimum.positions, masses, laws=CARTESIAN_LAWS)
    assert modes.frequencies.shape == (4,)
    assert modes.bends == ((0, 1),)
    oxygen, carbon = masses[0], masses[1]
    k, k_ends = 0.9, 0.05
    symmetric = np.sqrt((k + 2 * k_ends) / oxygen)
    antisymmetric = np.sqrt(k * (1 / oxygen + 2 / carbon))
    np.testing.assert_allclose(modes.frequencies[2:], [symmetric, antisymmetric], rtol=1e-6)
    # Equilibrium d: k (d - 2.1) = k_ends (6 - 2 d); the springs are stretched by that force.
    d = (k * 2.1 + 6 * k_ends) / (k + 2 * k_ends)
    tension = k * (d - 2.1)
    # Moving C by u across the axis costs tension u²/d in the two bonds: reduced mass of C and 2 O.
    bend = np.sqrt(2 * tension / d * (1 / carbon + 1 / (2 * oxygen)))
    np.testing.assert_allclose(modes.frequencies[:2], [bend, bend], rtol=1e-6)


def test_modes_are_orthonormal_and_free_of_rigid_motion(ammonia_like):
    positions, masses = ammonia_like.starting_geometry.numpy(), ammonia_like.masses.numpy()
    modes = normal_modes(_relaxed_hessian(ammonia_like), positions, masses, laws=CARTESIAN_LAWS)
    vectors = modes.vectors.reshape(6, 12)
    rigid = rigid_motions(positions, masses, laws=CARTESIAN_LAWS)
    assert rigid.shape == (6, 12)
    np.testing.assert_allclose(vectors @ vectors.T, np.eye(6), atol=1e-12)
    np.testing.assert_allclose(vectors @ rigid.T, 0.0, atol=1e-12)


def test_motions_that_are_no_laws_stay_vibrations(ammonia_like):
    positions, masses = ammonia_like.starting_geometry.numpy(), ammonia_like.masses.numpy()
    assert rigid_motions(positions, masses, laws=frozenset({"translation"})).shape == (3, 12)
    assert rigid_motions(positions, masses, laws=frozenset()).shape == (0, 12)


def test_an_imaginary_frequency_is_an_error_with_advice(ammonia_like):
    positions, masses = ammonia_like.starting_geometry.numpy(), ammonia_like.masses.numpy()
    curvature = -_relaxed_hessian(ammonia_like)
    with pytest.raises(InputError, match=r"frequency must be real, but 6 of 6 .*cm-1.*Give a `geometry`"):
        normal_modes(curvature, positions, masses, laws=CARTESIAN_LAWS)


def test_a_single_atom_cannot_be_sampled():
    with pytest.raises(InputError, match="must vibrate"):
        normal_modes(np.zeros((3, 3)), np.zeros((1, 3)), np.array([4000.0]), laws=CARTESIAN_LAWS)


@pytest.mark.usefixtures("unchecked_annotations")
def test_soft_modes_are_named_by_their_wavenumbers():
    modes = SimpleNamespace(frequencies=np.array([1e-4, 2e-4, 0.01]))
    (sentence,) = oscillators._warnings(modes)
    # 219474.63 cm-1 a hartree.
    assert "(22, 44)" in sentence and "2 of 3" in sentence
    assert oscillators._warnings(SimpleNamespace(frequencies=np.array([0.01]))) == ()
