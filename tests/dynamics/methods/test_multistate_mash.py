"""MASH of many states: constants, what is drawn, direction of the kick, conservation, exact answers."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
import torch
from constant_coupling import ConstantCoupling, coupled
from constant_coupling import start as start_of_constants
from toy_molecule import ToyMolecule, start

from nadyn.dynamics.initial.start import start_in_diabatic_state, start_in_state
from nadyn.dynamics.methods.mash_crossing import Mash, lead_of_active, mash_step, strongest_other
from nadyn.dynamics.methods.multistate_mash import (
    adiabatic_estimate,
    along_boundary,
    alpha,
    begin_multistate_mash,
    diabatic_estimate,
    direction_of_boundary,
    draw_coefficients,
)
from nadyn.dynamics.state.populations import squared_coefficients
from nadyn.electronic.surfaces import directional_gradient, surfaces
from nadyn.models.analytic import sulfur_dioxide
from nadyn.models.analytic.tully import tully
from nadyn.models.model import Evaluation

pytestmark = pytest.mark.usefixtures("unchecked_annotations")


def begun(model, positions, momenta, *, state=1, sampling="cap", seed=1):
    first = start_in_state(model, positions, momenta, masses=model.masses, active_state=state)
    return begin_multistate_mash(first, model, model.masses, seed=seed, sampling=sampling)


def advanced(state, model, dt, n_steps):
    options, made = Mash(dt=dt, masses=model.masses, direction=along_boundary), []
    for _ in range(n_steps):
        step = mash_step(state, model, options)
        state = step.state
        made.append(step.hops)
    return state, torch.cat([hops.accepted for hops in made])


def turned_around(state):
    return replace(state, momenta=-state.momenta, coefficients=state.coefficients.conj().resolve_conj())


def test_alpha_of_two_three_and_four_states():
    assert [alpha(n) for n in (2, 3, 4)] == pytest.approx([2.0, 12 / 5, 36 / 13])


@pytest.mark.parametrize("n_states", [2, 3, 5])
def test_in_its_cap_the_estimator_of_the_chosen_state_is_one_and_of_the_others_zero(n_states):
    n = 20000
    chosen = torch.arange(n) % n_states
    real, imag = draw_coefficients(chosen, n_states, seed=1, trajectory=torch.arange(n), sampling="cap")
    squares = real * real + imag * imag
    assert torch.equal(squares.argmax(1), chosen)
    assert squares.sum(1).sub(1).abs().max() < 1e-13
    values = 1.0 / n_states + alpha(n_states) * (squares - 1.0 / n_states)
    own = values[torch.arange(n), chosen]
    other = values[torch.arange(n), (chosen + 1) % n_states]
    assert abs(own.mean() - 1) < 3 * own.std() / n**0.5 < 0.03
    assert abs(other.mean()) < 3 * other.std() / n**0.5 < 0.03
    phases = torch.polar(torch.ones_like(real), torch.atan2(imag, real)).mean(0)
    assert phases.abs().max() < 4 / n**0.5


def test_focused_coefficients_have_exact_estimators_in_each_trajectory():
    model = coupled(3)
    first = begun(model, *start_of_constants(40), state=2, sampling="focused")
    exact = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64).expand(40, -1)
    torch.testing.assert_close(adiabatic_estimate(first), exact, rtol=0, atol=1e-13)
    assert torch.equal(first.active_state, torch.full((40,), 2))


def test_a_start_in_a_diabatic_state_is_drawn_in_the_diabatic_basis():
    model = coupled(3)
    state = start_in_diabatic_state(
        model, *start_of_constants(40), masses=model.masses, diabatic_state=1, seed=1
    )
    first = begin_multistate_mash(state, model, model.masses, seed=1, sampling="focused")
    exact = torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64).expand(40, -1)
    torch.testing.assert_close(diabatic_estimate(first), exact, rtol=0, atol=1e-13)
    assert torch.equal(first.active_state, squared_coefficients(first).argmax(1))
    assert (lead_of_active(first.coefficients, first.active_state) > 0).all()


def test_the_direction_is_the_sum_over_couplings_of_both_states():
    model, (positions, momenta) = ToyMolecule(), start(6)
    state = begun(model, positions, momenta)
    target = strongest_other(state.coefficients, state.active_state)
    direction = direction_of_boundary(state, model, target)
    found = surfaces(model, positions)
    # The same signs as in the state: its eigenvectors come from the same routine.
    torch.testing.assert_close(found.eigenvectors, state.eigenvectors, rtol=0, atol=1e-12)
    d, c = found.nac, state.coefficients
    for t in range(6):
        a, b = int(state.active_state[t]), int(target[t])
        expected = sum(
            (c[t, n].conj() * c[t, a]).real * d[t, n, a] - (c[t, n].conj() * c[t, b]).real * d[t, n, b]
            for n in range(4)
        )
        cosine = (expected * direction[t]).sum() / expected.norm() / direction[t].norm()
        assert abs(cosine) > 1 - 1e-9, t


def test_with_two_states_the_direction_is_that_of_their_coupling():
    model, (positions, momenta) = ToyMolecule(n_states=2, n_basis=3), start(5)
    state = begun(model, positions, momenta)
    direction = direction_of_boundary(state, model, 1 - state.active_state)
    u = state.eigenvectors
    coupling = directional_gradient(model, positions, u[:, :, 0], u[:, :, 1])
    cosine = (direction * coupling).sum((1, 2)) / direction.norm(dim=(1, 2)) / coupling.norm(dim=(1, 2))
    assert cosine.abs().min() > 1 - 1e-12


def test_the_direction_is_finite_where_states_meet():
    model, (positions, momenta) = ToyMolecule(), start(5)
    state = begun(model, positions, momenta)
    met = replace(state, energies=state.energies[:, :1].expand(-1, 4).contiguous())
    target = strongest_other(state.coefficients, state.active_state)
    direction = direction_of_boundary(met, model, target)
    assert torch.isfinite(direction).all() and direction.abs().amax((1, 2)).min() > 0


def test_the_energy_error_falls_with_the_square_of_the_time_step_and_angular_momentum_is_kept():
    model, (positions, momenta) = ToyMolecule(), start(12, momentum=20.0)
    first = begun(model, positions, momenta, state=2)
    errors = []
    for dt in (6.0, 3.0):
        last, accepted = advanced(first, model, dt, round(300 / dt))
        errors.append(last.energy_error_max)
        assert accepted.sum() > 1
        before, after = (torch.linalg.cross(s.positions, s.momenta).sum(1) for s in (first, last))
        assert (after - before).abs().max() < 1e-9
    assert 3.4 < (errors[0] / errors[1]).median() < 4.6


@pytest.mark.parametrize("n_steps", [60, pytest.param(1000, marks=pytest.mark.slow)])
def test_steps_forward_and_back_return_to_the_start(n_steps):
    model, (positions, momenta) = ToyMolecule(), start(12, momentum=20.0)
    first = begun(model, positions, momenta, state=2)
    last, accepted = advanced(first, model, 5.0, n_steps)
    back, _ = advanced(turned_around(last), model, 5.0, n_steps)
    back = turned_around(back)
    assert accepted.any() and torch.equal(back.active_state, first.active_state)
    for name in ("positions", "momenta"):
        assert (getattr(back, name) - getattr(first, name)).abs().max() < 1e-8, name


def test_populations_are_exact_where_all_states_have_the_same_forces():
    model, n = coupled(3), 500
    state = start_in_diabatic_state(
        model, *start_of_constants(n), masses=model.masses, diabatic_state=2, seed=1
    )
    state = begin_multistate_mash(state, model, model.masses, seed=7, sampling="cap")
    for n_steps in (30, 30):
        state, _ = advanced(state, model, 5.0, n_steps)
        values = diabatic_estimate(state)
        error = values.std(0) / n**0.5
        assert ((values.mean(0) - model.exact(2, 5.0 * state.step)).abs() < 3 * error).all()
        assert error.max() < 0.05


@dataclass(frozen=True)
class UncoupledLines(ConstantCoupling):
    """Two straight lines that cross without coupling, and a third state far above."""

    masses: ClassVar[torch.Tensor] = torch.tensor([2000.0], dtype=torch.float64)

    def evaluate(self, positions):
        x = positions[:, 0, 0]
        lines = torch.stack([0.01 * x, -0.01 * x, torch.full_like(x, 0.05)], dim=1)
        return Evaluation(torch.diag_embed(lines), torch.zeros_like(x))


def test_where_levels_meet_that_do_not_couple_every_trajectory_stays_on_its_line():
    model, n = UncoupledLines(torch.zeros(3, 3)), 40
    first = begun(
        model,
        torch.full((n, 1, 1), -0.4, dtype=torch.float64),
        torch.full((n, 1, 1), 10.0, dtype=torch.float64),
        state=0,
    )
    squares = squared_coefficients(first)
    # What takes the lead is the other name of the line, also where the state far above is the second.
    assert (squares[:, 2] > squares[:, 1]).sum() > 5 and (squares[:, 1] > squares[:, 2]).sum() > 5
    last, accepted = advanced(first, model, 7.0, 30)
    assert len(accepted) == n and accepted.all()
    assert torch.equal(last.active_state, torch.ones_like(last.active_state))
    assert (lead_of_active(last.coefficients, last.active_state) > 0).all()
    time = 30 * 7.0
    expected = -0.4 + 10.0 / 2000.0 * time - 0.5 * 0.01 / 2000.0 * time**2
    assert (last.positions - expected).abs().max() < 1e-9
    assert last.energy_error_max.max() < 1e-12


def test_the_first_model_of_tully_branches_as_quantum_mechanics_says():
    model, n = tully(1), 500
    positions = torch.full((n, 1, 1), -6.0, dtype=torch.float64)
    state = begun(model, positions, torch.full_like(positions, 20.0), state=0, seed=2)
    while state.positions.min() < 5.0:
        state, _ = advanced(state, model, 20.0, 1)
    upper = adiabatic_estimate(state)[:, 1]
    # By the split operator for a packet of width 20/k.
    assert abs(upper.mean() - 0.49278) < 3 * upper.std() / np.sqrt(n)


def test_a_reflection_inside_a_step_is_made_once():
    # SO2 comes down to the ground state, is turned back from the second excited one and goes up to the first.
    model = sulfur_dioxide("singlets")
    positions = torch.tensor([-0.61037, -3.31098, -0.73289], dtype=torch.float64)[None, :, None]
    momenta = torch.tensor([-0.008, -2.79879, -0.13811], dtype=torch.float64)[None, :, None]
    amplitudes = torch.tensor([0.355752 + 0.458091j, -0.743821 - 0.32484j, -0.068959 - 0.006867j])
    first = start_in_state(model, positions, momenta, masses=model.masses, active_state=1)
    coefficients = (first.eigenvectors.mT.to(torch.complex128) @ amplitudes.to(torch.complex128)[:, None])[
        ..., 0
    ]
    first = replace(first, coefficients=coefficients / coefficients.abs().square().sum().sqrt())
    last, accepted = advanced(first, model, 8.0, 1)
    assert accepted.tolist() == [True, False, True]
    assert (lead_of_active(last.coefficients, last.active_state) > 0).all()
    shorter, accepted = advanced(first, model, 8.0 / 64, 64)
    assert accepted.tolist() == [True, False, True]
    assert (last.positions - shorter.positions).abs().max() < 1e-3
    assert (last.momenta - shorter.momenta).abs().max() < 1e-2
