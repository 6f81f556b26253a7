"""Time-derivative couplings, the propagator made from them, and what two states have in closed form."""

import numpy as np
import pytest
import scipy.linalg
import torch

from nadyn.dynamics.decoherence import energy_based as decoherence
from nadyn.dynamics.electrons import local_diabatisation as propagate
from nadyn.dynamics.electrons.interpolated import apply_propagator, propagator_by_tdc
from nadyn.dynamics.electrons.tdc import tdc_from_couplings, tdc_from_overlap
from nadyn.dynamics.electrons.ways import assignment
from nadyn.dynamics.hops import probabilities as hopping
from nadyn.dynamics.methods.gfsh import global_flux_probabilities
from nadyn.electronic.eigen import aligned_eigh
from nadyn.electronic.surfaces import energies_and_eigenvectors
from nadyn.models.analytic.tully import tully


def random(*shape, seed=3):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64, generator=generator)


def rotations(n_traj, n, size):
    turn = size * random(n_traj, n, n)
    turn = 0.5 * (turn - turn.mT)
    return turn, torch.matrix_exp(turn)


@pytest.mark.parametrize("angle", [1e-12, 0.3, 1.2, -1.5])
def test_of_two_states_the_interpolated_coupling_is_the_angle_however_large(angle):
    turn = torch.tensor([[0.0, angle], [-angle, 0.0]], dtype=torch.float64)[None]
    tdc = tdc_from_overlap(torch.matrix_exp(turn), dt=2.0)
    torch.testing.assert_close(tdc, turn / 2.0, rtol=1e-6, atol=1e-15)


def test_of_more_states_the_interpolated_coupling_is_the_logarithm_for_small_angles():
    turn, overlap = rotations(7, 4, 0.05)
    logarithm = np.stack([scipy.linalg.logm(s.numpy()) for s in overlap])
    np.testing.assert_allclose(logarithm, turn.numpy(), atol=1e-12)
    np.testing.assert_allclose(tdc_from_overlap(overlap, dt=1.0).numpy(), logarithm, atol=2e-3)
    assert np.abs(logarithm).max() > 0.05


@pytest.mark.parametrize("n", [2, 4])
def test_the_propagator_solves_schroedingers_equation(n):
    energies, new_energies = 0.1 * random(5, n), 0.1 * random(5, n, seed=4)
    tdc, new_tdc = (0.01 * (a - a.mT) for a in (random(5, n, n, seed=5), random(5, n, n, seed=6)))
    found = propagator_by_tdc(energies, new_energies, tdc, new_tdc, dt=3.0).numpy()
    steps = 400
    for t in range(5):
        expected = np.eye(n, dtype=complex)
        for m in range(steps):
            x = (m + 0.5) / steps
            e = energies[t] + x * (new_energies[t] - energies[t])
            coupling = tdc[t] + x * (new_tdc[t] - tdc[t])
            generator = np.diag(-1j * e.numpy()) - coupling.numpy()
            expected = scipy.linalg.expm(generator * 3.0 / steps) @ expected
        np.testing.assert_allclose(found[t], expected, atol=5e-5)
        np.testing.assert_allclose(found[t] @ found[t].conj().T, np.eye(n), atol=1e-13)


def test_couplings_times_velocity_are_the_turning_of_the_states():
    model, dt = tully(1), 0.01
    positions, momenta = random(6, 1, 1), 20.0 + random(6, 1, 1, seed=2)
    energies, vectors = energies_and_eigenvectors(model, positions)
    found = tdc_from_couplings(model, positions, momenta, model.masses, energies, vectors)
    _, later = energies_and_eigenvectors(model, positions + momenta / 2000.0 * dt)
    overlap, _ = propagate.orthogonal_overlap(vectors, later)
    overlap = overlap * torch.sign(overlap.diagonal(dim1=1, dim2=2))[:, None, :]
    torch.testing.assert_close(found[:, 0, 1], overlap[:, 0, 1] / dt, rtol=1e-3, atol=1e-8)


def test_states_are_followed_through_a_crossing():
    order = torch.tensor([2, 0, 1])
    overlap = torch.eye(3, dtype=torch.float64)[None, order] + 0.01 * random(2, 3, 3)
    assert assignment(overlap).tolist() == [[2, 0, 1]] * 2
    assert assignment(torch.eye(3, dtype=torch.float64)[None]).tolist() == [[0, 1, 2]]


def coefficients(n_traj, n, seed):
    c = torch.complex(random(n_traj, n, seed=seed), random(n_traj, n, seed=seed + 1))
    return c / torch.sqrt((c.abs() ** 2).sum(1, keepdim=True))


def test_of_two_states_global_flux_is_fewest_switches():
    turn, _ = rotations(40, 2, 0.2)
    propagator = propagator_by_tdc(0.1 * random(40, 2), 0.1 * random(40, 2), turn, turn, dt=1.0)
    c, active = coefficients(40, 2, 8), torch.arange(40) % 2
    new = apply_propagator(propagator, c)
    flux = global_flux_probabilities(c, new, propagator, active)
    torch.testing.assert_close(flux, hopping.flow_probabilities(c, new, propagator, active))
    assert (flux > 0).sum() > 10


def test_global_flux_shares_gains_among_those_that_lose():
    c = torch.sqrt(torch.tensor([[0.5, 0.3, 0.1, 0.1]])).to(torch.complex128)
    new = torch.sqrt(torch.tensor([[0.4, 0.2, 0.25, 0.15]])).to(torch.complex128)
    found = global_flux_probabilities(c, new, c[:, :, None] * c[:, None], torch.tensor([0]))
    # 0.2 is lost, half of it by the active state; 3/4 of it arrives at state 2.
    expected = torch.tensor([[0.0, 0.0, 0.15 * 0.5 / 0.5, 0.05 * 0.5 / 0.5]], dtype=torch.float64)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("size", [1.0, 1e-200, 1e12])
def test_two_rows_are_diagonalised_as_well_as_by_lapack(size):
    matrix = random(500, 2, 2) * size
    matrix = 0.5 * (matrix + matrix.mT)
    matrix[0], matrix[1, 0, 1], matrix[1, 1, 0] = 0.0, 0.0, 0.0
    matrix[2] = torch.tensor([[0.3, 1e-17], [1e-17, 0.3]], dtype=torch.float64) * size
    energies, vectors = aligned_eigh(matrix)
    error = (matrix @ vectors - vectors * energies[:, None]).abs().max()
    assert error < 4e-16 * matrix.abs().max()
    assert (vectors.mT @ vectors - torch.eye(2, dtype=torch.float64)).abs().max() < 1e-15
    assert (energies[:, 1] >= energies[:, 0]).all()


def test_two_states_in_closed_form_are_those_of_the_general_formulas(monkeypatch):
    matrices = random(2, 50, 2, 2)
    (energies, vectors), (new_energies, new_vectors) = (aligned_eigh(m + m.mT) for m in matrices)
    c, active = coefficients(50, 2, 11), torch.arange(50) % 2
    state = (torch.view_as_real(c), energies, vectors, new_energies, new_vectors)
    closed = propagate._propagate(*state, dt=0.7)
    monkeypatch.setattr(propagate, "_in_complete_basis_of_two", propagate._in_any_basis)
    general = propagate._propagate(*state, dt=0.7)
    assert not all(torch.equal(one, two) for one, two in zip(general, closed, strict=True))
    for one, two in zip(general, closed, strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=1e-14)
    real = torch.view_as_real
    new, propagator = torch.view_as_complex(closed[0]), torch.view_as_complex(closed[1])
    last = (array.permute(2, 1, 0) for array in (real(c), real(new)))
    arrays = *last, real(propagator).permute(3, 1, 2, 0), torch.arange(2)[:, None] == active
    for rule in (hopping._flow, hopping._shared_loss):
        torch.testing.assert_close(hopping.flow_probabilities(c, new, propagator, active), rule(*arrays).T)
    kinetic = random(50).abs()
    damped = decoherence.energy_based_decoherence(c, energies, active, kinetic, dt=0.4, damps="amplitudes")
    torch.testing.assert_close(real(damped), decoherence._damp(real(c), energies, active, kinetic, 0.4, 0.1))
