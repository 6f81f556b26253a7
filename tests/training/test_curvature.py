"""The curvature of the loss."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from teacher import geometries, labelled, teacher

from nadyn.checks.errors import InputError
from nadyn.data import Dataset
from nadyn.models.atomic_network import NetworkSettings
from nadyn.models.encoders.density_moments import MomentsSettings
from nadyn.models.learned import LearnedModel
from nadyn.models.potential import Potential, PotentialSettings
from nadyn.models.terms.dispersion import DispersionSettings
from nadyn.training.curvature import _configuration, _frames, _Loss, curvature
from nadyn.training.long_range import with_what_is_added


@pytest.fixture(scope="module")
def data():
    return Dataset((labelled(teacher(), geometries(4)),))


@pytest.fixture(scope="module")
def model():
    """A model of so few weights that its Hessian can be written down."""
    encoder = MomentsSettings((1, 7, 9), 7.0, 1.5, 2, 1)
    with torch.random.fork_rng():
        torch.manual_seed(2)
        potential = Potential(PotentialSettings(NetworkSettings(encoder, (2,)), "2x0e", 2, ("0e",)))
    potential.reference.scale.fill_(0.05)
    potential.reference.offsets.copy_(torch.tensor([0.0, 0.02]))
    potential.requires_grad_(False)
    return LearnedModel("tiny", potential, (7, 1, 1, 9), None, torch.zeros(3, 3, dtype=torch.float64))


@pytest.mark.slow
def test_eigenvalues_are_those_of_the_hessian_written_down(model, data):
    found = curvature(model, data, n=3)
    batch, pairs = _frames(model, data, 1)
    loss = _Loss(model.double().potential.requires_grad_(True), batch, pairs, _configuration(model))
    weights = loss.weights()
    n, step = len(weights), 1e-5
    assert (found.n_weights, found.n_frames) == (n, 4) and n < 300
    hessian = np.empty((n, n))
    for row in range(n):
        moved = np.zeros(n)
        moved[row] = step
        hessian[row] = (loss.gradient(weights + moved) - loss.gradient(weights - moved)) / (2 * step)
    # Not exactly symmetric: the response of eigenvectors is bounded, see `eigh`.
    assert np.abs(hessian - hessian.T).max() < 1e-3 * np.abs(hessian).max()
    expected = np.linalg.eigvalsh(0.5 * (hessian + hessian.T))[::-1][:3]
    np.testing.assert_allclose(found.eigenvalues, expected, rtol=5e-3)
    # Of the loss itself, not of a multiple: along one direction by its values alone.
    direction = np.random.default_rng(4).standard_normal(n)
    direction /= np.linalg.norm(direction)
    reach = 1e-3
    values = [loss.value(weights + shift * direction) for shift in (-reach, 0.0, reach)]
    second = (values[0] - 2 * values[1] + values[2]) / reach**2
    assert second == pytest.approx(direction @ hessian @ direction, rel=2e-2, abs=1e-3 * expected[0])
    assert found.loss == pytest.approx(values[1], rel=1e-6)


def test_a_draw_has_its_seed_and_the_model_stays(model, data):
    before = [one.clone() for one in model.potential.parameters()]
    first, again = (curvature(model, data, n=1, seed=3) for _ in range(2))
    assert first == again
    # By other means: a few power iterations, and the curvature by values of the loss along what they end in.
    batch, pairs = _frames(model, data, 3)
    loss = _Loss(model.double().potential.requires_grad_(True), batch, pairs, _configuration(model))
    weights = loss.weights()
    direction = 1e-4 * loss.gradient(weights) / np.linalg.norm(loss.gradient(weights))
    for _ in range(12):
        direction = loss.gradient(weights + direction) - loss.gradient(weights - direction)
        direction *= 1e-4 / np.linalg.norm(direction)
    ahead, here, behind = (loss.value(weights + sign * 5 * direction) for sign in (1, 0, -1))
    assert (ahead - 2 * here + behind) / 2.5e-7 == pytest.approx(first.eigenvalues[0], rel=0.05)
    for one, other in zip(before, model.potential.parameters(), strict=True):
        assert torch.equal(one, other) and not other.requires_grad


def test_what_cannot_be_asked_is_one_sentence(model, data):
    with pytest.raises(InputError, match="`n` must be below the"):
        curvature(model, data, n=10_000)
    one_state = labelled(teacher(None, n_states=1), geometries(3))
    with pytest.raises(InputError, match="must have the 2 states of the model, but has 1"):
        curvature(model, Dataset((one_state,)))


def test_the_loss_is_that_of_what_was_learned(model, data):
    """Not of labels that the model has no part for, nor of the dispersion that was taken out of them."""
    group = data.groups[0]
    random = np.random.default_rng(3)
    more = replace(
        group,
        charges=random.normal(size=(len(group.energies), group.n_atoms)),
        dipoles=random.normal(size=(len(group.energies), group.n_states, group.n_states, 3)),
    )
    attracted = _attracted(model.potential)
    bound = replace(model, potential=attracted)
    taught_without = copy.deepcopy(attracted)
    taught_without.settings = replace(attracted.settings, dispersion=DispersionSettings("pbe"))
    with_it = with_what_is_added(replace(model, potential=taught_without), more)
    assert np.abs(with_it.forces - more.forces).max() > 1e-5
    plain, dispersed = _noise(model, more), _noise(bound, with_it)
    assert plain.keys() == dispersed.keys() == {"energy", "force", "coupling"}
    for name, value in plain.items():
        assert dispersed[name] == pytest.approx(value, rel=1e-9)


def _attracted(potential):
    """Return the potential with a dispersion of made-up numbers that its labels had."""
    settings = replace(potential.settings, dispersion=DispersionSettings("pbe", in_labels=True))
    with torch.random.fork_rng():
        other = Potential(settings)
    other.load_state_dict(potential.state_dict(), strict=False)
    term = other.dispersion
    term.damping.copy_(torch.tensor([0.4, 4.8, 1.0, 0.8]))
    for name, value in {
        "radii": 2.0,
        "quotients": 3.0,
        "reference_counts": 1.0,
        "reference_c6": 30.0,
    }.items():
        getattr(term, name).fill_(value)
    return other.requires_grad_(False)


def _noise(model, group):
    batch, pairs = _frames(model, Dataset((group,)), 1)
    return _Loss(model.double().potential, batch, pairs, _configuration(model)).noise
