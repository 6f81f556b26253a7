"""A-FSSH by hand: moments of wave packets on parabolas, how often they collapse, and when they are reset."""

from dataclasses import replace

import pytest
import torch
from contracts.by_hand import model_by_hand

from nadyn.dynamics.decoherence.moments import Moments, augmented
from nadyn.dynamics.initial.start import start_in_state
from nadyn.dynamics.methods.fssh import Fssh, fssh_begin, fssh_step
from nadyn.dynamics.state.memory import recall
from nadyn.models.model import Evaluation

pytestmark = pytest.mark.usefixtures("unchecked_annotations")


# E_k = 0.1 k + sum_i f_ki (q_i - d_ki)^2 / 2 in two coordinates, never coupled and never close.
MASSES = torch.tensor([2000.0, 3000.0], dtype=torch.float64)
CONSTANTS = torch.tensor([[18, 25], [20, 30], [23, 33], [17, 28]], dtype=torch.float64) * 1e-4
CENTRES = torch.tensor([[4.0, -1.0], [0.5, 0.0], [-2.0, 4.5], [1.0, -5.0]], dtype=torch.float64)
POPULATIONS = torch.tensor([0.3, 0.4, 0.2, 0.1], dtype=torch.float64)
ACTIVE, Q0, P0 = 1, torch.tensor([0.3, -0.4], dtype=torch.float64), torch.tensor([1.5, 0.8]).double()


def parabolas():
    def evaluate(positions):
        away = positions[:, None, :, 0] - CENTRES
        energies = 0.1 * torch.arange(4) + (0.5 * CONSTANTS * away * away).sum(2)
        return Evaluation(torch.diag_embed(energies), torch.zeros_like(positions[:, 0, 0]))

    return model_by_hand(evaluate, MASSES, 4)


def moments_by_hand(t):
    """dF_n, dP_n and dR_n at a time while nothing collapses: the integrals of an oscillation."""
    t = torch.as_tensor(t, dtype=torch.float64)
    own, centre = CONSTANTS[ACTIVE], CENTRES[ACTIVE]
    w = torch.sqrt(own / MASSES)
    y, v = Q0 - centre, P0 / MASSES
    sine, cosine = torch.sin(w * t), torch.cos(w * t)
    q = centre + y * cosine + v / w * sine
    once = centre * t + y / w * sine + v / w**2 * (1 - cosine)
    twice = centre * t**2 / 2 + y / w**2 * (1 - cosine) + v / w**2 * (t - sine / w)
    slope, constant = own - CONSTANTS, CONSTANTS * CENTRES - own * centre
    force = slope * q + constant
    share = POPULATIONS[:, None]
    kicked = share * (slope * once + constant * t)
    moved = share * (slope * twice + constant * t**2 / 2) / MASSES
    return force, kicked, moved


def on_parabolas(n_traj, dt, n_steps, seed):
    model = parabolas()
    positions, momenta = (x.expand(n_traj, 2)[:, :, None].clone() for x in (Q0, P0))
    state = start_in_state(model, positions, momenta, masses=MASSES, active_state=ACTIVE)
    c = torch.sqrt(POPULATIONS).to(torch.complex128)
    state = replace(state, coefficients=c.expand(n_traj, 4).clone())
    options = Fssh(dt=dt, seed=seed, masses=MASSES, decoherence=augmented())
    state = fssh_begin(state, model, options)
    for _ in range(n_steps):
        state = fssh_step(state, model, options).state
    return state


def test_moments_of_parabolas_are_those_of_the_integrals_up_to_the_square_of_the_time_step():
    _, momenta, positions = moments_by_hand(240.0)
    errors = []
    for n_steps in (6, 12):
        state = on_parabolas(3, 240.0 / n_steps, n_steps, seed=1)
        # So early nothing has collapsed.
        torch.testing.assert_close(state.coefficients.abs()[0] ** 2, POPULATIONS, rtol=1e-12, atol=0)
        off = recall(state, Moments).positions[0, :, :, 0] - positions
        errors.append(float(off.abs().max() / positions.abs().max()))
        off = recall(state, Moments).momenta[0, :, :, 0] - momenta
        errors.append(float(off.abs().max() / momenta.abs().max()))
    assert max(errors[2:]) < 1e-3
    assert 3.5 < errors[0] / errors[2] < 4.5 and 3.5 < errors[1] / errors[3] < 4.5


def test_as_many_states_collapse_as_the_sum_of_the_probabilities_says():
    n_traj, dt, n_steps = 800, 20.0, 32
    state = on_parabolas(n_traj, dt, n_steps, seed=4)
    kept = torch.ones(4, dtype=torch.float64)
    for step in range(1, n_steps + 1):
        force, _, moved = moments_by_hand(step * dt)
        rate = 0.5 * (force * moved).sum(1)
        assert torch.all(rate >= 0)
        kept = kept * (1 - dt * rate)
    others = torch.arange(4) != ACTIVE
    # Without coupling neither hops nor anything else empties a state.
    collapsed = (state.coefficients.abs() == 0).double().mean(0)[others]
    expected = (1 - kept)[others]
    assert torch.all((expected > 0.05) & (expected < 0.95))
    gate = 3 * torch.sqrt(expected * (1 - expected) / n_traj)
    assert torch.all((collapsed - expected).abs() < gate), (collapsed, expected, gate)
    assert (state.coefficients.abs().square().sum(1) - 1).abs().max() < 1e-12
    empty = (state.coefficients.abs() == 0)[:, :, None, None]
    assert float(torch.where(empty, recall(state, Moments).momenta, 0.0).abs().max()) == 0.0


SLOPE, COUPLING, MASS, SPEED = 0.005, 0.002, 2e6, 1e-4


def line_crossing():
    def evaluate(positions):
        x = positions[:, 0, 0]
        coupling = torch.full_like(x, COUPLING)
        rows = [torch.stack([SLOPE * x, coupling], 1), torch.stack([coupling, -SLOPE * x], 1)]
        return Evaluation(torch.stack(rows, 1), torch.zeros_like(x))

    return model_by_hand(evaluate, torch.tensor([MASS], dtype=torch.float64), 2)


def shares_after_one_step(x, active, moment, n_traj=2000):
    """Shares of trajectories whose other state has collapsed, and of those where only moments were reset."""
    model, other = line_crossing(), 1 - active
    positions = torch.full((n_traj, 1, 1), x, dtype=torch.float64)
    momenta = torch.full_like(positions, SPEED * MASS)
    state = start_in_state(model, positions, momenta, masses=model.masses, active_state=active)
    c = torch.full((n_traj, 2), 0.5**0.5, dtype=torch.complex128)
    options = Fssh(dt=1.0, seed=7, masses=model.masses, decoherence=augmented())
    state = fssh_begin(replace(state, coefficients=c), model, options)
    recall(state, Moments).positions[:, other] = moment
    step = fssh_step(state, model, options)
    assert len(step.hops.row) == 0
    empty = step.state.coefficients[:, other].abs() == 0
    reset = recall(step.state, Moments).positions[:, other, 0, 0] == 0
    assert bool((reset | ~empty).all())
    return float(empty.double().mean()), float((reset & ~empty).double().mean())


@pytest.mark.parametrize("active", [0, 1])
def test_coupling_slows_the_collapse_and_a_packet_that_returns_is_forgotten(active):
    # With E^2 = (s x)^2 + c^2 the upper force less the lower one is -2 s^2 x / E, the coupling of the states
    # s c / 2 E^2 and their gap 2 E: of the rate s^2 |x dR| / E the coupling takes away 2 s c |dR| / E.
    x = -4.0 * COUPLING / SLOPE
    energy = (17.0**0.5) * COUPLING
    moment = 0.4 * energy / (SLOPE * 4.0 * COUPLING)
    outward = moment if active == 0 else -moment
    gate = 3 * (0.25 / 2000) ** 0.5
    collapsed, reset = shares_after_one_step(x, active, outward)
    assert abs(collapsed - 0.2) < gate and reset == 0.0
    collapsed, reset = shares_after_one_step(x, active, -outward)
    assert collapsed == 0.0 and abs(reset - 0.4) < gate
    # Nearer to the crossing the coupling takes more than all of it.
    assert shares_after_one_step(0.25 * x, active, outward) == (0.0, 0.0)
