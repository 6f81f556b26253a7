"""Hopping probabilities: the limit of small steps, balance of flows, choice of a target."""

import pytest
import torch

from nadyn.dynamics.electrons.local_diabatisation import local_diabatisation
from nadyn.dynamics.hops.probabilities import hopping_probabilities
from nadyn.dynamics.state.choice import choose_target


def rotating_states(n_traj, n, angle_per_time, dt, seed=4):
    """Eigenvectors that turn at a constant rate T (antisymmetric), as <k|d/dt l> = T_kl demands."""
    generator = torch.Generator().manual_seed(seed)
    t = torch.randn(n_traj, n, n, dtype=torch.float64, generator=generator)
    t = angle_per_time * (t - t.mT)
    c = torch.randn(n_traj, n, dtype=torch.complex128, generator=generator)
    c = c / torch.linalg.norm(c, dim=1, keepdim=True)
    energies = torch.cumsum(0.01 + 0.02 * torch.rand(n_traj, n, dtype=torch.float64, generator=generator), 1)
    u0 = torch.eye(n, dtype=torch.float64).expand(n_traj, n, n)
    # U(t+dt) = U(t) exp(T dt), so that U(t)^T dU/dt = T.
    return t, c, energies, u0, torch.matrix_exp(t * dt)


def step(n, dt, active):
    t, c, energies, u0, u1 = rotating_states(60, n, 2e-3, dt)
    result = local_diabatisation(c, energies, u0, energies, u1, dt=dt)
    a = torch.full((60,), active)
    return t, c, result, hopping_probabilities(c, result.coefficients, result.propagator, a)


@pytest.mark.parametrize("n", [2, 4])
def test_small_steps_give_tullys_probability(n):
    # The difference to the limit is of first order in dt: it must fall tenfold when dt does.
    errors = []
    for dt in (1e-1, 1e-2):
        t, c, _, probabilities = step(n, dt, 1)
        flow = 2 * (c[:, 1, None].conj() * c * t[:, 1]).real / (c[:, 1, None].abs() ** 2)
        total = flow.sum(1)
        # Only where population leaves the active state; where it returns, no formula should hop.
        leaving = total > 1e-4
        limit = torch.clamp(flow, min=0.0)
        limit[:, 1] = 0.0
        assert leaving.sum() > 10
        errors.append((probabilities / dt - limit)[leaving].abs().max().item() / limit.max().item())
    assert errors[1] < 2e-3
    assert errors[0] / errors[1] == pytest.approx(10.0, rel=0.3)


@pytest.mark.parametrize("n", [2, 4])
def test_unclipped_flows_add_up_to_the_population_that_leaves(n):
    _, c, result, probabilities = step(n, 5.0, 1)
    lost = 1 - (result.coefficients[:, 1].abs() / c[:, 1].abs()) ** 2
    parts = (result.coefficients * (result.propagator[:, :, 1] * c[:, 1, None]).conj()).real
    others = torch.arange(n) != 1
    all_positive = (parts[:, others] > 0).all(1) & (lost > 0)
    assert all_positive.sum() > 5
    torch.testing.assert_close(probabilities.sum(1)[all_positive], lost[all_positive])
    assert (probabilities >= 0).all() and (probabilities[:, 1] == 0).all()


def test_a_trivial_crossing_is_followed_with_probability_one():
    c = torch.tensor([[1.0, 0.0]], dtype=torch.complex128)
    e = torch.tensor([[0.0, 1e-4]], dtype=torch.float64)
    u1 = torch.tensor([[[0.0, -1.0], [1.0, 0.0]]], dtype=torch.float64)
    result = local_diabatisation(c, e, torch.eye(2, dtype=torch.float64)[None], e, u1, dt=20.0)
    p = hopping_probabilities(c, result.coefficients, result.propagator, torch.tensor([0]))
    torch.testing.assert_close(p, torch.tensor([[0.0, 1.0]], dtype=torch.float64))


def test_nothing_hops_out_of_an_empty_state_or_without_motion():
    c = torch.tensor([[0.0, 1.0], [1.0, 0.0]], dtype=torch.complex128)
    e = torch.tensor([[0.0, 0.1]], dtype=torch.float64).expand(2, 2)
    u = torch.eye(2, dtype=torch.float64).expand(2, 2, 2)
    result = local_diabatisation(c, e, u, e, u, dt=20.0)
    p = hopping_probabilities(c, result.coefficients, result.propagator, torch.tensor([0, 0]))
    assert torch.equal(p, torch.zeros(2, 2, dtype=torch.float64))


def test_targets_are_chosen_in_proportion_to_their_probabilities():
    p = torch.tensor([0.1, 0.0, 0.25, 0.05], dtype=torch.float64).expand(1000, 4)
    zeta = (torch.arange(1000, dtype=torch.float64) + 0.5) / 1000
    target = choose_target(p, torch.ones(1000, dtype=torch.int64), zeta)
    assert torch.bincount(target, minlength=4).tolist() == [100, 600, 250, 50]
