"""Hopping probabilities: the limit of small steps, balance of flows, choice of a target."""

import pytest
import torch

from nadyn.dynamics.electrons.local_diabatisation import local_diabatisation
from nadyn.dynamics.hops.probabilities import at_most_one, flow_probabilities, shared_loss_probabilities
from nadyn.dynamics.spins.unitary_step import unitary_step
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
    result = local_diabatisation(c, (energies, u0), (energies, u1), dt=dt)
    a = torch.full((60,), active)
    return t, c, result, flow_probabilities(c, result.coefficients, result.propagator, a)


def unitary(n_traj, n, seed=2):
    """Complex propagators of steps of any size, and coefficients of norm 1 before and after."""
    generator = torch.Generator().manual_seed(seed)
    matrix = torch.randn(n_traj, n, n, dtype=torch.complex128, generator=generator)
    propagator = torch.matrix_exp(0.3 * (matrix - matrix.mH))
    c = torch.randn(n_traj, n, dtype=torch.complex128, generator=generator)
    c = c / torch.linalg.norm(c, dim=1, keepdim=True)
    return propagator, c, (propagator @ c[:, :, None])[:, :, 0]


@pytest.mark.parametrize("n", [2, 4])
@pytest.mark.parametrize("rule", [flow_probabilities, shared_loss_probabilities])
def test_small_steps_give_tullys_probability(n, rule):
    # The difference to the limit is of first order in dt: it must fall tenfold when dt does.
    errors = []
    for dt in (1e-1, 1e-2):
        t, c, made, _ = step(n, dt, 1)
        probabilities = rule(c, made.coefficients, made.propagator, torch.ones(60, dtype=torch.int64))
        limit = 2 * (c[:, 1, None].conj() * c * t[:, 1]).real / (c[:, 1, None].abs() ** 2)
        limit = torch.clamp(limit, min=0.0)
        # The other rule has its limit where population leaves on the whole, far from its pole.
        chosen = limit.sum(1) > -1.0 if rule is flow_probabilities else limit.sum(1) > 1e-4
        if rule is shared_loss_probabilities:
            chosen &= (c.abs() ** 2)[:, 1] > (made.coefficients.abs() ** 2)[:, 1] + 1e-4 * dt
        assert chosen.sum() > 10
        errors.append((probabilities / dt - limit)[chosen].abs().max().item() / limit.max().item())
    assert errors[1] < 2e-3
    assert errors[0] / errors[1] == pytest.approx(10.0, rel=0.3)


def test_small_steps_give_tullys_probability_between_spin_adiabatic_states_too():
    generator, n = torch.Generator().manual_seed(8), 4
    t = torch.randn(50, n, n, dtype=torch.complex128, generator=generator)
    t = 2e-3 * (t - t.mH)
    c = torch.randn(50, n, dtype=torch.complex128, generator=generator)
    c = c / torch.linalg.norm(c, dim=1, keepdim=True)
    energies = torch.cumsum(0.01 + torch.rand(50, n, dtype=torch.float64, generator=generator), 1)
    u0 = torch.eye(n, dtype=torch.complex128).expand(50, n, n)
    active = torch.arange(50) % n
    own = c.gather(1, active[:, None])
    row = t.gather(1, active[:, None, None].expand(-1, 1, n))[:, 0]
    limit = torch.clamp(2 * (own.conj() * c * row).real / own.abs() ** 2, min=0.0)
    limit.scatter_(1, active[:, None], 0.0)
    errors = []
    for dt in (1e-2, 1e-3):
        made = unitary_step(c, (energies, u0), (energies, torch.matrix_exp(t * dt)), dt=dt)
        found = flow_probabilities(c, made.coefficients, made.propagator, active)
        errors.append(float((found / dt - limit).abs().max() / limit.max()))
    assert errors[1] < 1e-2 and errors[0] / errors[1] == pytest.approx(10.0, rel=0.3)


@pytest.mark.parametrize("n", [2, 3, 6])
def test_probabilities_are_the_net_flows_which_add_up_to_the_lost_population(n):
    propagator, c, new = unitary(300, n)
    # B_lk, what of |c_l|^2 afterwards was in k.
    flow = (new[:, :, None] * (propagator * c[:, None]).conj()).real
    torch.testing.assert_close(flow.sum(1), c.abs() ** 2)
    torch.testing.assert_close(flow.sum(2), new.abs() ** 2)
    active, rows = torch.arange(300) % n, torch.arange(300)
    net = (flow[rows, :, active] - flow[rows, active]) / (c.abs() ** 2)[rows, active, None]
    found = flow_probabilities(c, new, propagator, active)
    torch.testing.assert_close(found, torch.clamp(net, min=0.0))
    assert (found[rows, active] == 0).all()
    lost = 1.0 - (new.abs() ** 2 / c.abs() ** 2)[rows, active]
    torch.testing.assert_close(net.sum(1), lost)


def test_of_two_states_both_rules_are_one():
    propagator, c, new = unitary(200, 2)
    active = torch.arange(200) % 2
    found = flow_probabilities(c, new, propagator, active)
    torch.testing.assert_close(found, shared_loss_probabilities(c, new, propagator, active))
    assert (found > 0).sum() > 50


def test_there_is_no_pole_where_in_and_outflow_cancel():
    # From state 2 comes as much to state 0 as leaves it for state 1, but for a small part.
    found = []
    for part in (1e-2, 1e-4, 1e-6):
        t = torch.tensor([[0.0, 1.0, -1.0], [-1.0, 0.0, 0.0], [1.0, 0.0, 0.0]], dtype=torch.float64)
        c = torch.tensor([[1.0, 1.0, 1.0 - part]], dtype=torch.complex128)
        propagator = torch.matrix_exp(-0.05 * t).to(torch.complex128)[None]
        new = (propagator @ c[:, :, None])[:, :, 0]
        arguments = c, new, propagator, torch.tensor([0])
        found.append(
            [float(rule(*arguments).sum()) for rule in (flow_probabilities, shared_loss_probabilities)]
        )
    flow, shared = zip(*found, strict=True)
    assert max(flow) - min(flow) < 1e-3 and flow[-1] == pytest.approx(0.1, rel=0.05)
    assert max(abs(value - flow[-1]) for value in shared) > 0.02


def elsewhere(rule, generators, c, n_steps, time=4.0):
    """Where trajectories are that start on state 0, by the probabilities of many steps."""
    propagator = torch.matrix_exp(generators * (time / n_steps))
    active, stays = torch.zeros(len(c), dtype=torch.int64), torch.ones(len(c), dtype=torch.float64)
    left, largest = torch.zeros(c.shape, dtype=torch.float64), 0.0
    for _ in range(n_steps):
        new = (propagator @ c[:, :, None])[:, :, 0]
        raw = rule(c, new, propagator, active)
        largest = max(largest, float(raw.sum(1).max()))
        probabilities, _ = at_most_one(raw)
        left = left + stays[:, None] * probabilities
        stays, c = stays * (1.0 - probabilities.sum(1)).clamp(min=0.0), new
    left[:, 0] = stays
    return left, largest


@pytest.mark.usefixtures("unchecked_annotations")
@pytest.mark.parametrize("n", [3, 5])
def test_hops_converge_with_the_step_three_times_faster_than_those_of_a_shared_loss(n):
    generator = torch.Generator().manual_seed(n)
    energies = 3.0 * torch.rand(60, n, dtype=torch.float64, generator=generator)
    coupling = torch.randn(60, n, n, dtype=torch.float64, generator=generator)
    generators = torch.diag_embed(-1j * energies) - 0.5 * (coupling - coupling.mT)
    c = torch.randn(60, n, dtype=torch.complex128, generator=generator)
    c = c / torch.linalg.norm(c, dim=1, keepdim=True)
    exact, _ = elsewhere(flow_probabilities, generators, c, 768)
    errors = {}
    for rule in (flow_probabilities, shared_loss_probabilities):
        made = [elsewhere(rule, generators, c, steps)[0] for steps in (24, 96)]
        errors[rule] = [0.5 * float((one - exact).abs().sum(1).mean()) for one in made]
    assert errors[flow_probabilities][0] < 0.05 and errors[flow_probabilities][1] < 0.015
    for flow, shared in zip(*errors.values(), strict=True):
        assert shared > 3.0 * flow


def test_probabilities_over_one_are_divided_by_their_sum_and_rounding_is_not_counted():
    raw = torch.tensor([[0.0, 1.5, 0.5], [0.0, 0.2, 0.3], [0.0, 1.0, 1e-14]], dtype=torch.float64)
    found, cut = at_most_one(raw)
    torch.testing.assert_close(found[0], torch.tensor([0.0, 0.75, 0.25], dtype=torch.float64))
    assert torch.equal(found[1], raw[1]) and float(found[2].sum()) <= 1.0
    assert cut.tolist() == [True, False, False]


def test_a_trivial_crossing_is_followed_with_probability_one():
    c = torch.tensor([[1.0, 0.0]], dtype=torch.complex128)
    e = torch.tensor([[0.0, 1e-4]], dtype=torch.float64)
    u1 = torch.tensor([[[0.0, -1.0], [1.0, 0.0]]], dtype=torch.float64)
    result = local_diabatisation(c, (e, torch.eye(2, dtype=torch.float64)[None]), (e, u1), dt=20.0)
    p = flow_probabilities(c, result.coefficients, result.propagator, torch.tensor([0]))
    torch.testing.assert_close(p, torch.tensor([[0.0, 1.0]], dtype=torch.float64))


def test_nothing_hops_out_of_an_empty_state_or_without_motion():
    c = torch.tensor([[0.0, 1.0], [1.0, 0.0]], dtype=torch.complex128)
    e = torch.tensor([[0.0, 0.1]], dtype=torch.float64).expand(2, 2)
    u = torch.eye(2, dtype=torch.float64).expand(2, 2, 2)
    result = local_diabatisation(c, (e, u), (e, u), dt=20.0)
    p = flow_probabilities(c, result.coefficients, result.propagator, torch.tensor([0, 0]))
    assert torch.equal(p, torch.zeros(2, 2, dtype=torch.float64))


def test_targets_are_chosen_in_proportion_to_their_probabilities():
    p = torch.tensor([0.1, 0.0, 0.25, 0.05], dtype=torch.float64).expand(1000, 4)
    zeta = (torch.arange(1000, dtype=torch.float64) + 0.5) / 1000
    target = choose_target(p, torch.ones(1000, dtype=torch.int64), zeta)
    assert torch.bincount(target, minlength=4).tolist() == [100, 600, 250, 50]
