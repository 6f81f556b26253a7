"""A laser pulse in surface hopping."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.integrate import trapezoid
from spin_models import SpinCrossing

from nadyn.checks.configuration import parse_configuration
from nadyn.dynamics.initial.start import start_in_state
from nadyn.dynamics.methods.representation_of import pulse_of
from nadyn.dynamics.methods.table import motion_of
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.dynamics.spins.laser import Pulse, spectral_width
from nadyn.units import AU_PER_FEMTOSECOND, HARTREE_PER_EV

pytestmark = pytest.mark.usefixtures("unchecked_annotations")

GAP = 0.15
MOMENT = 1.3


def two_levels(*, slopes=(0.0, 0.0)):
    dipoles = torch.zeros(2, 2, 3, dtype=torch.complex128)
    dipoles[0, 1, 2] = MOMENT * 1j
    dipoles[1, 0, 2] = -MOMENT * 1j
    return SpinCrossing(
        multiplicities=(1, 1), spin_orbit=None, dipoles=dipoles, levels=(0.0, GAP), slopes=slopes
    )


def run(model, *, field, detuning=0.0, n=3, steps=96, momentum=0.0, centre_fs=12.0, **keys):
    """Start on the lower level and return the states before and after every step."""
    laser = {
        "peak_field_au": field,
        "photon_energy_ev": (GAP + detuning) / HARTREE_PER_EV,
        "fwhm_fs": 5.0,
        "centre_fs": centre_fs,
        "polarisation": [0.0, 0.0, 2.0],
    }
    start = {"position_au": -1, "momentum_au": 20, "n": n}
    content = {"initial": start, "time_fs": 50, "dt_fs": 0.25, "method": "fssh", "laser": laser, **keys}
    config = parse_configuration(content, RunConfiguration, where="test")
    motion = motion_of(config, model, model.masses)
    x = torch.zeros(n, 1, 1, dtype=torch.float64)
    state = start_in_state(model, x, x + momentum, masses=model.masses, active_state=0)
    made = [motion.begin(state, model)]
    hops = []
    for _ in range(steps):
        step = motion.step(made[-1], model)
        made.append(step.state)
        hops.append(step.hops)
    return made, hops, pulse_of(config.laser)


@pytest.mark.parametrize("detuning", [0.0, 0.004, -0.006])
def test_a_weak_pulse_excites_as_first_order_perturbation_theory_says(detuning):
    states, _, pulse = run(two_levels(), field=2e-5, detuning=detuning)
    # 400 points a period of the field, which falls to nothing at both ends.
    t = np.linspace(0.0, 96 * 0.25 * AU_PER_FEMTOSECOND, 10_001)
    field = np.array([pulse.field(time) for time in t])
    expected = abs(trapezoid(MOMENT * field * np.exp(1j * GAP * t), t)) ** 2
    found = states[-1].coefficients[0].abs()[1] ** 2
    assert 1e-8 < expected < 1e-4
    assert abs(float(found) / expected - 1.0) < 0.01


def test_the_spectrum_of_the_field_has_the_stated_width():
    pulse = Pulse(1.0, (0.0, 0.0, 1.0), 0.15, 300.0, 1000.0, 0.3, 0.0)
    t = np.linspace(-500.0, 2500.0, 60_001)
    field = np.array([pulse.field(time) for time in t])

    def spectrum(frequency):
        return abs(trapezoid(field * np.exp(1j * frequency * t), t))

    half = 0.5 * spectral_width(300.0)
    assert spectrum(0.15 + half) / spectrum(0.15) == pytest.approx(0.5, abs=1e-3)
    assert np.abs(field).max() == pytest.approx(1.0, abs=0.05)


def test_populations_follow_the_field_and_its_work_balances_the_energy():
    n = 200
    states, hops, _ = run(two_levels(), field=0.006, n=n, momentum=10.0, steps=88)
    last = states[-1]  # the pulse is still on: no decoherence yet
    excited = float((last.coefficients[0].abs() ** 2)[1])
    assert 0.2 < excited < 0.98
    share = float((last.active_state == 1).double().mean())
    assert abs(share - excited) < 3 * np.sqrt(excited * (1 - excited) / n)
    assert sum(len(made.row) for made in hops) > share * n - 0.5 > 20
    for made in hops:
        assert bool(made.accepted.all()) and torch.equal(made.kinetic_before, made.kinetic_after)
    assert float((last.momenta - 10.0).abs().max()) < 1e-12
    # What the field has paid is the energy of the level that a trajectory is on.
    assert float((last.heat - GAP * last.active_state.double()).abs().max()) < 1e-12
    assert float(last.energy_error_max.max()) < 1e-10
    assert float(((last.coefficients.abs() ** 2).sum(1) - 1.0).abs().max()) < 1e-12


def test_the_energy_is_balanced_on_moving_surfaces_too():
    states, hops, _ = run(two_levels(slopes=(1e-4, -2e-3)), field=0.006, n=40, momentum=5.0, dt_fs=0.25)
    assert sum(int(made.accepted.sum()) for made in hops) > 5
    # The steps themselves are exact on straight lines.
    assert float(states[-1].energy_error_max.max()) < 1e-10
    assert float(states[-1].heat.abs().max()) > 0.9 * GAP


def test_hops_outside_the_bandwidth_or_after_the_pulse_are_paid_by_the_nuclei():
    model = two_levels()
    states, hops, _ = run(model, field=0.02, detuning=0.05, n=200, momentum=30.0)
    attempts = [made for made in hops if len(made.row)]
    assert sum(len(made.row) for made in attempts) > 10
    for made in attempts:
        paid = made.kinetic_after - made.kinetic_before
        cost = torch.where(made.accepted, made.energy_to - made.energy_from, 0.0)
        assert float((paid + cost).abs().max()) < 1e-10
    assert float(states[-1].heat.abs().max()) == 0.0
    pulse = Pulse(0.01, (0.0, 0.0, 1.0), GAP, 300.0, 1000.0, 0.0, 0.01)
    gaps = torch.tensor([GAP, -GAP, GAP + 0.009, GAP - 0.011, 0.0], dtype=torch.float64)
    assert pulse.pays(gaps).tolist() == [True, True, True, False, False]
    assert [pulse.is_on(time, 10.0) for time in (0.0, 995.0, 1600.0, 1700.0)] == [False, True, True, False]


def test_a_pulse_between_two_ends_of_a_step_is_not_missed():
    pulse = Pulse(0.01, (0.0, 0.0, 1.0), GAP, 1.0, 10.0, 0.0, 0.01)
    assert pulse.envelope(0.0) == pulse.envelope(20.0) == 0.0
    assert pulse.is_on(0.0, 20.0)


def test_a_driven_trajectory_does_not_depend_on_its_batch():
    model = two_levels(slopes=(1e-4, -2e-3))
    many, _, _ = run(model, field=0.006, n=70, steps=60)
    few, _, _ = run(model, field=0.006, n=3, steps=60)
    for name in ("positions", "momenta", "coefficients", "eigenvectors", "active_state", "heat"):
        assert torch.equal(getattr(many[-1], name)[:3], getattr(few[-1], name))
    assert float(many[-1].heat.abs().max()) > 0.0


def test_polarisation_across_the_dipole_does_nothing():
    model = two_levels()
    turned = replace(model, dipoles=model.dipoles.roll(1, 2))
    states, hops, _ = run(turned, field=0.01, steps=60)
    assert float(states[-1].coefficients[:, 1].abs().max()) < 1e-13
    assert all(len(made.row) == 0 for made in hops)
