"""Decoherence-induced surface hopping."""

from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

import numpy as np
import pytest
import torch
from scipy.linalg import expm

from nadyn.checks.configuration import parse_configuration
from nadyn.checks.errors import InputError
from nadyn.dynamics.initial.start import start_in_state
from nadyn.dynamics.methods.dish import (
    Dish,
    DishOptions,
    decoherence_rates,
    dish_stepping,
    event_probabilities,
    project_out,
)
from nadyn.dynamics.state.populations import squared_coefficients
from nadyn.dynamics.state.random_numbers import Draws
from nadyn.models.model import Coordinates, Evaluation

pytestmark = pytest.mark.usefixtures("unchecked_annotations")

GAP, TURN = 0.01, 0.4


@dataclass(frozen=True)
class Turning:
    """Two states of constant energies, GAP apart, that turn into each other by TURN radians a bohr."""

    name: ClassVar[str] = "turning"
    coordinates: ClassVar[Coordinates] = "generalised"
    laws: ClassVar[frozenset[str]] = frozenset()
    atomic_numbers: ClassVar[None] = None
    fixed_diabatic_basis: ClassVar[bool] = True
    block_width: ClassVar[int] = 64
    shortest_distances: ClassVar[None] = None
    n_states: ClassVar[int] = 2
    n_basis: ClassVar[int] = 2
    rate: float = TURN

    @property
    def masses(self):
        return torch.tensor([2000.0], dtype=torch.float64)

    def evaluate(self, positions):
        angle = 2.0 * self.rate * positions[:, 0, 0]
        cosine, sine = torch.cos(angle), torch.sin(angle)
        rows = torch.stack([-cosine, -sine, -sine, cosine], dim=-1).reshape(-1, 2, 2)
        return Evaluation(0.5 * GAP * rows, torch.zeros_like(angle))


def fast(model, n, *, active=0):
    """Trajectories whose speed of 0.1 bohr/au no hop across GAP changes by more than a thousandth."""
    positions = torch.zeros(n, 1, 1, dtype=torch.float64)
    return start_in_state(
        model, positions, torch.full_like(positions, 200.0), masses=model.masses, active_state=active
    )


def followed(model, state, options, dt, n_steps, seed=1):
    stepping, hops = dish_stepping(options), 0
    for _ in range(n_steps):
        step = stepping.whole(state, model, dt, Draws(seed))
        state, hops = step.state, hops + int(step.hops.accepted.sum())
    return state, hops


@pytest.mark.parametrize("dephasing", [20.0, 100.0])
def test_populations_of_two_states_are_those_of_the_exact_master_equation(dephasing):
    # dρ/dt = -i [H, ρ] - (off-diagonal part) / τ: for two states each event is a projective measurement, and
    # its rate is 1/τ whatever the state. The active state is that of the last event: dP/dt = (ρ_kk - P) / τ.
    model, n, dt, n_steps = Turning(), 1500, 1.0, 30
    t = np.array([[0.0, TURN * 0.1], [-TURN * 0.1, 0.0]])
    h = np.diag([0.0, GAP]) - 1j * t
    unit, whole = np.eye(2), np.zeros((6, 6), complex)
    whole[:4, :4] = -1j * (np.kron(h, unit) - np.kron(unit, h.T)) - np.diag([0, 1, 1, 0]) / dephasing
    whole[4, [0, 4]], whole[5, [3, 5]] = (1 / dephasing, -1 / dephasing), (1 / dephasing, -1 / dephasing)
    expected = (expm(whole * n_steps * dt) @ np.array([1, 0, 0, 0, 1, 0])).real
    options = Dish(masses=model.masses, dephasing=dephasing)
    state, hops = followed(model, fast(model, n), options, dt, n_steps)
    found, exact = squared_coefficients(state)[:, 1].numpy(), expected[3]
    assert abs(found.mean() - exact) < 3.0 * found.std() / np.sqrt(n)
    upper = float((state.active_state == 1).double().mean())
    assert abs(upper - expected[5]) < 3.0 * np.sqrt(expected[5] * (1 - expected[5]) / n)
    # Neither is the other, nor what an undisturbed wave function gives.
    undisturbed = abs(expm(-1j * h * n_steps * dt)[1, 0]) ** 2
    assert min(abs(exact - undisturbed), abs(exact - expected[5])) > 0.05 and hops > 100


def test_a_parameter_of_energies_beside_a_dephasing_time_is_refused():
    parse = partial(parse_configuration, section=DishOptions, where="options")
    assert parse({"energy_parameter_hartree": 0.2}).dephasing_fs is None
    with pytest.raises(InputError, match="`energy_parameter_hartree` must be left out where `dephasing_fs`"):
        parse({"dephasing_fs": 10, "energy_parameter_hartree": 0.1})


def test_a_coherence_falls_to_one_e_in_the_dephasing_time_and_populations_stay():
    model, n, dephasing = Turning(rate=0.0), 2000, 40.0
    state = fast(model, n)
    c = torch.tensor([0.6, 0.8], dtype=torch.complex128).expand(n, -1).contiguous()
    active = (torch.arange(n) % 25 >= 9).long()
    state = replace(state, coefficients=c, active_state=active)
    state, _ = followed(model, state, Dish(masses=model.masses, dephasing=dephasing), 2.0, 20)
    rho = (state.coefficients[:, 0].conj() * state.coefficients[:, 1] * np.exp(1j * GAP * 40.0)).real.numpy()
    assert abs(rho.mean() - 0.48 * np.exp(-1.0)) < 3.0 * rho.std() / np.sqrt(n)
    decohered = squared_coefficients(state).amax(1) > 0.999
    assert float(decohered.double().mean()) == pytest.approx(1 - np.exp(-1.0), abs=0.03)
    # Where there was an event, the trajectory is where its wave function is.
    assert torch.equal(state.active_state[decohered], squared_coefficients(state).argmax(1)[decohered])
    upper = float((state.active_state == 1).double().mean())
    assert abs(upper - 0.64) < 3.0 * np.sqrt(0.64 * 0.36 / n)


def test_rates_and_chances_of_events_are_those_of_the_paper():
    generator = torch.Generator().manual_seed(3)
    c = torch.randn(5, 3, dtype=torch.complex128, generator=generator)
    c = c / torch.linalg.norm(c, dim=1, keepdim=True)
    model = Turning()
    state = fast(model, 5)
    energies = torch.cumsum(torch.rand(5, 3, dtype=torch.float64, generator=generator), 1)
    state = replace(state, coefficients=c, energies=energies)
    p, e = (c.abs() ** 2).numpy(), energies.numpy()
    kinetic, active = 200.0**2 / 4000.0, torch.tensor([0, 1, 2, 0, 1])
    rates = decoherence_rates(state, Dish(masses=model.masses, energy_parameter=0.3))
    chances = event_probabilities(torch.from_numpy(p), rates, active, dt=0.2).numpy()
    for row in range(5):
        own = [sum(p[row, l] * abs(e[row, k] - e[row, l]) for l in range(3)) for k in range(3)]
        own = np.array(own) * kinetic / (kinetic + 0.3)
        assert rates[row].numpy() == pytest.approx(own, rel=1e-12)
        happens = (1.0 - np.exp(-0.2 * own.sum())) * own / own.sum()
        a = int(active[row])
        other = np.arange(3) != a
        assert chances[row, :3] == pytest.approx(happens * p[row])
        assert chances[row, 3:6] == pytest.approx(np.where(other, happens * (1 - p[row]), 0.0))
        assert chances[row, 6:] == pytest.approx(np.where(other, happens[a] * p[row], 0.0))
        assert chances[row].sum() == pytest.approx(happens.sum())
    fixed = decoherence_rates(state, Dish(masses=model.masses, dephasing=50.0)).numpy()
    assert fixed == pytest.approx((1.0 - p) / 50.0)


def test_a_hop_that_cannot_be_paid_projects_its_state_out():
    model = Turning(rate=0.0)
    state = fast(model, 400)
    # No energy for the upper state, in which every second trajectory would be found.
    c = torch.full((400, 2), 0.5**0.5, dtype=torch.complex128)
    state = replace(state, coefficients=c, momenta=torch.full_like(state.momenta, 0.1))
    stepping = dish_stepping(Dish(masses=model.masses, dephasing=1.0))
    step = stepping.whole(state, model, 20.0, Draws(1))
    assert 150 < len(step.hops.row) < 250 and not bool(step.hops.accepted.any())
    assert torch.equal(step.state.active_state, state.active_state)
    assert float(squared_coefficients(step.state)[:, 0].min()) > 1.0 - 1e-12
    assert torch.equal(step.state.momenta, state.momenta)


def test_what_is_projected_out_is_gone_and_the_norm_stays():
    c = torch.tensor([[0.6, 0.64j, 0.48], [1.0, 0.0, 0.0]], dtype=torch.complex128)
    found = project_out(c, torch.tensor([1, 0]))
    assert found[0].abs().tolist() == pytest.approx([0.78087, 0.0, 0.62470], abs=1e-5)
    assert float((found.abs() ** 2).sum(1).sub(1.0).abs().max()) < 1e-15
    assert found[1].abs().tolist() == [1.0, 0.0, 0.0]
