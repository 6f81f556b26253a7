"""Populations of one trajectory by hand, for every estimator."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from toy_molecule import ToyMolecule, start

from nadyn.dynamics.initial.start import start_in_state
from nadyn.dynamics.state import populations as estimators

pytestmark = pytest.mark.usefixtures("unchecked_annotations")


def mixed():
    """Three states of a molecule with any coefficients, and their diabatic components in NumPy."""
    model, (positions, momenta) = ToyMolecule(n_states=3, n_basis=3), start(6)
    state = start_in_state(model, positions, momenta, masses=model.masses, active_state=2)
    rng = np.random.default_rng(5)
    c = rng.normal(size=(6, 3)) + 1j * rng.normal(size=(6, 3))
    c /= np.linalg.norm(c, axis=1)[:, None]
    active = np.array([0, 1, 2, 0, 1, 2])
    state = replace(state, coefficients=torch.from_numpy(c), active_state=torch.from_numpy(active))
    return state, state.eigenvectors.numpy(), c, active


def test_squares_are_those_of_coefficients_and_of_amplitudes():
    state, u, c, _ = mixed()
    found = estimators.MEAN_SQUARED_COEFFICIENTS.values(state).numpy()
    np.testing.assert_allclose(found, np.abs(c) ** 2, atol=1e-14)
    found = estimators.MEAN_SQUARED_AMPLITUDES.values(state).numpy()
    np.testing.assert_allclose(found, np.abs(np.einsum("tdk,tk->td", u, c)) ** 2, atol=1e-14)


def test_active_states_give_populations_and_coefficients_coherences():
    state, u, c, active = mixed()
    # A density matrix with the active state on its diagonal and the coherences of the coefficients beside it.
    density = c[:, :, None] * c[:, None, :].conj() * (1 - np.eye(3)) + 0j
    density[np.arange(6), active, active] = 1.0
    expected = np.einsum("tdk,tkl,tdl->td", u, density, u).real
    np.testing.assert_allclose(estimators.MIXED.values(state).numpy(), expected, atol=1e-14)
    own = u[np.arange(6), :, active] ** 2
    np.testing.assert_allclose(estimators.OF_ACTIVE.values(state).numpy(), own, atol=1e-14)
    np.testing.assert_allclose(
        estimators.FRACTION_OF_TRAJECTORIES.values(state).numpy(), np.eye(3)[active], atol=0
    )
