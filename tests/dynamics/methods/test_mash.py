"""MASH of two states: what is drawn, hops, conservation and reversal, exact answers."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from constant_coupling import coupled
from constant_coupling import start as start_of_constants
from toy_molecule import ToyMolecule, start

from nadyn.checks.configuration import parse_configuration
from nadyn.checks.errors import InputError
from nadyn.dynamics.hops.attempts import along
from nadyn.dynamics.initial.start import start_in_diabatic_state, start_in_state
from nadyn.dynamics.methods.mash import (
    begin_mash,
    draw_spins,
    weighted_active_states,
    weighted_diabatic_populations,
)
from nadyn.dynamics.methods.mash_crossing import Mash, lead_of_active, mash_step
from nadyn.dynamics.methods.table import METHODS, find_method
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.models.analytic.tully import tully

pytestmark = pytest.mark.usefixtures("unchecked_annotations")


def begun(model, positions, momenta, *, state=1, seed=1):
    first = start_in_state(model, positions, momenta, masses=model.masses, active_state=state)
    return begin_mash(first, model, model.masses, seed=seed)


def options(model, dt):
    return Mash(dt=dt, masses=model.masses, direction=along("nac"))


def advanced(state, model, dt, n_steps):
    made = []
    for _ in range(n_steps):
        step = mash_step(state, model, options(model, dt))
        state = step.state
        made.append(step.hops)
    return state, made


def turned_around(state):
    return replace(state, momenta=-state.momenta, coefficients=state.coefficients.conj().resolve_conj())


def crossing(n_traj):
    """Trajectories that meet the coupling of Tully's first model with too little energy for some of them."""
    model = tully(1)
    shift = 0.02 * torch.arange(n_traj, dtype=torch.float64)[:, None, None]
    return begun(model, shift - 2.0, 7.0 + 3.0 * shift, state=0), model


@pytest.mark.parametrize("state", [0, 1])
def test_a_start_in_an_adiabatic_state_fills_its_hemisphere_as_the_root_of_u(state):
    model, n = coupled(2), 4000
    first = begun(model, *start_of_constants(n), state=state)
    c = first.coefficients
    z = (c[:, 1].abs() ** 2 - c[:, 0].abs() ** 2).numpy()
    assert np.all(z > 0) if state else np.all(z < 0)
    assert torch.equal(first.active_state, torch.full((n,), state))
    # The distribution function of |S_z| is its square.
    order = np.sort(np.abs(z)) ** 2
    assert np.abs(order - (np.arange(n) + 0.5) / n).max() < 1.8 / np.sqrt(n)
    angle = torch.angle(c[:, 0].conj() * c[:, 1]).numpy()
    assert abs(np.exp(1j * angle).mean()) < 3 / np.sqrt(n)
    assert (c.abs() ** 2).sum(1).sub(1).abs().max() < 1e-14


def test_coefficients_and_spins_say_the_same():
    model = coupled(2)
    state = start_in_state(model, *start_of_constants(50), masses=model.masses, active_state=1)
    c = begin_mash(state, model, model.masses, seed=3).coefficients
    product = 2.0 * c[:, 0].conj() * c[:, 1]
    spin, _, _ = draw_spins(state, seed=3)
    torch.testing.assert_close(product.real, spin[:, 0], rtol=0, atol=1e-14)
    torch.testing.assert_close(product.imag, spin[:, 1], rtol=0, atol=1e-14)


def test_a_start_in_a_diabatic_state_has_its_populations_and_coherences():
    model, n = coupled(2), 20000
    state = start_in_diabatic_state(
        model, *start_of_constants(n), masses=model.masses, diabatic_state=0, seed=1
    )
    first = begin_mash(state, model, model.masses, seed=1)
    for values, exact in (
        (weighted_active_states(first), state.coefficients[0].abs() ** 2),
        (weighted_diabatic_populations(first), torch.tensor([1.0, 0.0])),
    ):
        error = values.std(0) / n**0.5
        assert ((values.mean(0) - exact).abs() < 3 * error).all() and error.max() < 0.02


@pytest.mark.parametrize("diabatic_state", [0, 1])
def test_rabi_oscillations_are_exact(diabatic_state):
    model, n = coupled(2), 500
    state = start_in_diabatic_state(
        model, *start_of_constants(n), masses=model.masses, diabatic_state=diabatic_state, seed=1
    )
    state = begin_mash(state, model, model.masses, seed=5)
    for n_steps in (10, 15):
        state, _ = advanced(state, model, 5.0, n_steps)
        values = weighted_diabatic_populations(state)
        error = values.std(0) / n**0.5
        exact = model.exact(diabatic_state, 5.0 * state.step)
        assert ((values.mean(0) - exact).abs() < 3 * error).all()
        # Each component of the spin turns as it should, so the mean over the whole sphere is no accident.
        assert exact[1 - diabatic_state] > 0.02


def test_the_first_model_of_tully_branches_as_quantum_mechanics_says():
    model, n = tully(1), 500
    positions = torch.full((n, 1, 1), -6.0, dtype=torch.float64)
    state = begun(model, positions, torch.full_like(positions, 20.0), state=0, seed=2)
    while state.positions.min() < 5.0:
        state = mash_step(state, model, options(model, 20.0)).state
    upper = (state.active_state == 1).double().mean().item()
    # By the split operator for a packet of width 20/k.
    assert abs(upper - 0.49278) < 3 * np.sqrt(0.25 / n)


def test_every_hop_and_every_reflection_is_certain_and_none_is_drawn():
    model, momenta = tully(1), torch.linspace(5.0, 14.0, 10, dtype=torch.float64)[:, None, None]
    _, made = advanced(begun(model, torch.full_like(momenta, -0.8), momenta, state=0), model, 30.0, 12)
    accepted, probability, zeta = (
        torch.cat([getattr(step, name) for step in made]) for name in ("accepted", "probability", "zeta")
    )
    assert accepted.any() and not accepted.all()
    assert (probability == 1.0).all() and (zeta == 0.0).all()


def test_the_energy_error_falls_with_the_square_of_the_time_step():
    first, model = crossing(25)
    errors = []
    for dt in (20.0, 10.0):
        last, made = advanced(first, model, dt, round(900 / dt))
        errors.append(last.energy_error_max)
        accepted = torch.cat([step.accepted for step in made])
        assert accepted.sum() >= 3 and (~accepted).sum() >= 3
    assert 3.6 < (errors[0] / errors[1]).median() < 4.4 and errors[1].max() < 1e-5


@pytest.mark.parametrize("n_steps", [60, pytest.param(1000, marks=pytest.mark.slow)])
def test_steps_forward_and_back_return_to_the_start(n_steps):
    first, model = crossing(25)
    last, made = advanced(first, model, 15.0, n_steps)
    back, _ = advanced(turned_around(last), model, 15.0, n_steps)
    back = turned_around(back)
    # Hops and reflections both lie on the way.
    accepted = torch.cat([step.accepted for step in made])
    assert accepted.any() and not accepted.all()
    assert torch.equal(back.active_state, first.active_state)
    for name in ("positions", "momenta"):
        assert (getattr(back, name) - getattr(first, name)).abs().max() < 1e-8, name
    # Signs of eigenvectors, and with them of coefficients, are arbitrary.
    assert (back.coefficients.abs() - first.coefficients.abs()).abs().max() < 1e-8


@pytest.mark.parametrize("n_basis", [2, 4])
def test_hops_of_a_molecule_keep_energy_and_angular_momentum(n_basis):
    model = ToyMolecule(n_states=2, n_basis=n_basis)
    first = begun(model, *start(30))
    last, made = advanced(first, model, 15.0, 60)
    accepted = torch.cat([step.accepted for step in made])
    assert accepted.sum() > 5
    for step in made:
        after = torch.where(step.accepted, step.energy_to, step.energy_from) + step.kinetic_after
        assert (after - step.energy_from - step.kinetic_before).abs().max() < 1e-10 if len(step.row) else True
    before, after = (torch.linalg.cross(s.positions, s.momenta).sum(1) for s in (first, last))
    assert (after - before).abs().max() < 1e-9
    assert (last.momenta.sum(1) - first.momenta.sum(1)).abs().max() < 1e-9


def test_the_active_state_has_the_larger_coefficient_after_every_step():
    state, model = crossing(25)
    for _ in range(60):
        state = mash_step(state, model, options(model, 15.0)).state
        assert (lead_of_active(state.coefficients, state.active_state) > -1e-12).all()
    assert (state.coefficients.abs() ** 2).sum(1).sub(1).abs().max() < 1e-12


def test_a_hop_that_cannot_be_paid_turns_the_momentum_around():
    model = tully(1)
    positions = torch.full((40, 1, 1), -3.0, dtype=torch.float64)
    first = begun(model, positions, torch.full_like(positions, 6.0), state=0)
    last, made = advanced(first, model, 30.0, 70)
    # Two hartree hundredths are missing at this momentum: nobody comes through on the upper state.
    refused = torch.cat([step.row[~step.accepted] for step in made])
    assert len(refused) > 5
    reflected = last.momenta[:, 0, 0] < 0
    assert set(torch.nonzero(reflected)[:, 0].tolist()) <= set(refused.tolist()) and reflected.any()


def refused(sentence, **keys):
    content = {"initial": {"position_au": -4, "momentum_au": 20, "n": 3}, "time_fs": 5, "method": "mash"}
    config = parse_configuration({**content, **keys}, RunConfiguration, where="run")
    with pytest.raises(InputError, match=sentence):
        find_method(config)


def test_another_treatment_of_frustrated_hops_is_refused():
    refused("`frustrated` must be reverse for method mash", frustrated="keep")
    refused("`rescale` must be left out for method mash", rescale="isotropic")


def test_three_states_are_refused():
    model = coupled(3)
    content = {"initial": {"position_au": -4, "momentum_au": 20, "n": 3}, "time_fs": 5, "method": "mash"}
    config = parse_configuration(content, RunConfiguration, where="run")
    with pytest.raises(InputError, match=r"must have a model of two states, but constant has 3\. Use multi"):
        METHODS["mash"].build(config, model, model.masses)
