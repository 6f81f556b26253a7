"""Local diabatisation against matrix exponentials in the diabatic basis."""

import numpy as np
import pytest
import scipy.linalg
import torch

from nadyn.dynamics.electrons.local_diabatisation import local_diabatisation
from nadyn.dynamics.electrons.propagation import in_sequence


def random_hamiltonians(n_traj, n, seed):
    generator = torch.Generator().manual_seed(seed)
    w = torch.randn(n_traj, n, n, dtype=torch.float64, generator=generator)
    return 0.05 * (w + w.mT)


def random_coefficients(n_traj, n, seed):
    generator = torch.Generator().manual_seed(seed)
    c = torch.randn(n_traj, n, dtype=torch.complex128, generator=generator)
    return c / torch.linalg.norm(c, dim=1, keepdim=True)


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_it_is_the_exponential_of_the_mean_hamiltonian_where_all_states_are_kept(n):
    old, new = random_hamiltonians(7, n, 1), random_hamiltonians(7, n, 2)
    (e0, u0), (e1, u1) = torch.linalg.eigh(old), torch.linalg.eigh(new)
    c = random_coefficients(7, n, 3)
    result = local_diabatisation(c, (e0, u0), (e1, u1), dt=11.0)
    for t in range(7):
        exact = scipy.linalg.expm(-11j * 0.5 * (old[t] + new[t]).numpy())
        amplitudes = exact @ (u0[t].numpy() @ c[t].numpy())
        np.testing.assert_allclose(u1[t].numpy() @ result.coefficients[t].numpy(), amplitudes, atol=1e-13)
        propagator = u1[t].numpy().T @ exact @ u0[t].numpy()
        np.testing.assert_allclose(result.propagator[t].numpy(), propagator, atol=1e-13)


@pytest.mark.parametrize("n", [2, 4])
def test_signs_of_eigenvectors_do_not_matter(n):
    (e0, u0), (e1, u1) = (torch.linalg.eigh(random_hamiltonians(7, n, seed)) for seed in (1, 2))
    c = random_coefficients(7, n, 3)
    reference = local_diabatisation(c, (e0, u0), (e1, u1), dt=11.0)
    signs = torch.tensor([1.0, -1.0, -1.0, 1.0][:n], dtype=torch.float64)
    flipped = local_diabatisation(c, (e0, u0), (e1, u1 * signs), dt=11.0)
    torch.testing.assert_close(flipped.coefficients * signs, reference.coefficients, rtol=0, atol=1e-14)


@pytest.mark.parametrize("n", [2, 4])
def test_the_norm_stays_one_for_hundreds_of_steps(n):
    c = random_coefficients(7, n, 3)
    surfaces = [torch.linalg.eigh(random_hamiltonians(7, n, seed)) for seed in range(4)]
    for step in range(300):
        (e0, u0), (e1, u1) = surfaces[step % 4], surfaces[(step + 1) % 4]
        c = local_diabatisation(c, (e0, u0), (e1, u1), dt=11.0).coefficients
    assert (torch.linalg.norm(c, dim=1) - 1).abs().max() < 1e-12


def test_a_trivial_crossing_between_two_geometries_is_followed():
    # Two uncoupled states swap order: the population must change its adiabatic index, not its diabatic one.
    e0 = torch.tensor([[0.0, 1e-4]], dtype=torch.float64)
    u0 = torch.eye(2, dtype=torch.float64)[None]
    u1 = torch.tensor([[[0.0, -1.0], [1.0, 0.0]]], dtype=torch.float64)
    c = torch.tensor([[1.0, 0.0]], dtype=torch.complex128)
    result = local_diabatisation(c, (e0, u0), (e0, u1), dt=20.0)
    populations = result.coefficients.abs() ** 2
    torch.testing.assert_close(populations, torch.tensor([[0.0, 1.0]], dtype=torch.float64))


def surplus(n_traj, angle):
    """Two states of a basis of five; the upper one turns into a surplus direction by `angle`."""
    generator = torch.Generator().manual_seed(9)
    frame, _ = torch.linalg.qr(torch.randn(n_traj, 5, 5, dtype=torch.float64, generator=generator))
    turned = frame[:, :, 1] * np.cos(angle) + frame[:, :, 2] * np.sin(angle)
    return frame[:, :, :2], torch.stack([frame[:, :, 0], turned], dim=-1)


def test_the_norm_stays_one_and_the_loss_is_told_where_surplus_states_exist():
    u0, u1 = surplus(7, 0.9)
    e = torch.tensor([[0.1, 0.13]], dtype=torch.float64).expand(7, 2)
    result = local_diabatisation(random_coefficients(7, 2, 3), (e, u0), (e, u1), dt=11.0)
    expected = torch.full((7,), np.cos(0.9), dtype=torch.float64)
    torch.testing.assert_close(result.smallest_overlap, expected)
    torch.testing.assert_close(torch.linalg.norm(result.coefficients, dim=1), torch.ones_like(expected))


def test_surplus_states_take_no_population_and_leave_the_phases_of_the_others():
    u0, u1 = surplus(7, 0.4)
    e = torch.tensor([[0.1, 0.13]], dtype=torch.float64).expand(7, 2)
    c = random_coefficients(7, 2, 3)
    result = local_diabatisation(c, (e, u0), (e, u1), dt=11.0)
    torch.testing.assert_close(result.coefficients, c * torch.exp(-11j * e))


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_the_overlap_is_replaced_by_its_nearest_orthogonal_matrix(n):
    generator = torch.Generator().manual_seed(8)
    u0, u1 = (
        torch.linalg.qr(torch.randn(7, n + 2, n + 2, dtype=torch.float64, generator=generator))[0][:, :, :n]
        for _ in range(2)
    )
    e = torch.zeros(7, n, dtype=torch.float64)
    c = random_coefficients(7, n, 3)
    # Without energies nothing but the change of basis is left: c(t+dt) = Q^T c(t).
    result = local_diabatisation(c, (e, u0), (e, u1), dt=11.0)
    for t in range(7):
        overlap = (u0[t].T @ u1[t]).numpy()
        nearest, _ = scipy.linalg.polar(overlap)
        np.testing.assert_allclose(result.coefficients[t].numpy(), nearest.T @ c[t].numpy(), atol=1e-12)
        smallest = np.linalg.svd(overlap)[1].min()
        assert float(result.smallest_overlap[t]) == pytest.approx(smallest, abs=1e-13)


def test_two_halves_make_the_propagator_of_the_whole():
    (e0, u0), (e1, u1), (e2, u2) = (torch.linalg.eigh(random_hamiltonians(7, 4, s)) for s in (1, 2, 3))
    c = random_coefficients(7, 4, 3)
    first = local_diabatisation(c, (e0, u0), (e1, u1), dt=5.0)
    both = in_sequence(first, local_diabatisation(first.coefficients, (e1, u1), (e2, u2), dt=5.0))
    applied = (both.propagator @ c[:, :, None])[:, :, 0]
    torch.testing.assert_close(applied, both.coefficients, rtol=0, atol=1e-14)


@pytest.mark.parametrize(("n", "n_states"), [(2, 2), (3, 3), (5, 3)])
def test_a_few_rows_have_the_bits_that_they_have_among_many(n, n_states):
    """Blocks are as wide as the batch asks for."""
    n_traj = 401
    (e0, u0), (e1, u1) = (torch.linalg.eigh(random_hamiltonians(n_traj, n, seed)) for seed in (1, 2))
    rows = (random_coefficients(n_traj, n_states, 3), e0[:, :n_states], u0[:, :, :n_states])
    rows += (e1[:, :n_states], u1[:, :, :n_states])

    def made(part):
        c, *others = (array[part].contiguous() for array in rows)
        return local_diabatisation(c, (others[0], others[1]), (others[2], others[3]), dt=11.0)

    many = made(slice(None))
    for part in (slice(7, 8), slice(7, 72), slice(7, 140)):
        few = made(part)
        for name in ("coefficients", "propagator", "smallest_overlap"):
            assert torch.equal(getattr(few, name), getattr(many, name)[part]), name
