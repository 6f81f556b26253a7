"""A pulse on models whose dipoles depend on the geometry, as learned ones do."""

import itertools
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
import torch
from contracts.untrained import untrained
from spin_models import SpinCrossing

from nadyn.checks.configuration import parse_configuration
from nadyn.checks.errors import InputError
from nadyn.dynamics.initial.start import start_in_state
from nadyn.dynamics.methods.representation_of import representation_of
from nadyn.dynamics.methods.table import motion_of
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.dynamics.spins.field_driven import FieldDriven
from nadyn.models.heads.dipole import DipoleSettings
from nadyn.units import HARTREE_PER_EV

pytestmark = pytest.mark.usefixtures("unchecked_annotations")

GAP, N = 0.15, 12


def _constant():
    dipoles = torch.zeros(2, 2, 3, dtype=torch.complex128)
    dipoles[0, 1, 2] = dipoles[1, 0, 2] = 1.3
    dipoles[0, 0, 2], dipoles[1, 1, 2] = 0.4, -0.9
    return SpinCrossing(
        multiplicities=(1, 1),
        spin_orbit=None,
        dipoles=dipoles,
        levels=(0.0, GAP),
        slopes=(1e-3, -4e-3),
        coupling=0.01,
    )


@dataclass(frozen=True, eq=False)
class Known:
    """The same states; their dipole is an operator in the basis of W, `slope` of it along the coordinate."""

    model: SpinCrossing
    slope: float = 0.0

    name: ClassVar[str] = "known"
    operators: ClassVar[tuple[str, ...]] = ("dipole",)
    coordinates: ClassVar[str] = "generalised"
    laws: ClassVar[frozenset[str]] = frozenset()
    atomic_numbers: ClassVar[None] = None
    fixed_diabatic_basis: ClassVar[bool] = True
    block_width: ClassVar[int] = 64
    shortest_distances: ClassVar[None] = None
    n_states: ClassVar[int] = 2
    n_basis: ClassVar[int] = 2
    masses: ClassVar[torch.Tensor] = SpinCrossing.masses

    def evaluate(self, positions):
        return self.model.evaluate(positions)

    def operator(self, name, positions):
        constant = self.model.dipoles.real.expand(len(positions), -1, -1, -1)
        return constant * (1.0 + self.slope * positions[:, :, :, None])


def _config(**keys):
    laser = {
        "peak_field_au": 0.006,
        "photon_energy_ev": GAP / HARTREE_PER_EV,
        "fwhm_fs": 5.0,
        "centre_fs": 9.0,
        "polarisation": [0.0, 0.0, 2.0],
    }
    start = {"position_au": -1, "momentum_au": 20, "n": N}
    content = {"initial": start, "time_fs": 50, "dt_fs": 0.25, "method": "fssh", "laser": laser, **keys}
    return parse_configuration(content, RunConfiguration, where="test")


def _run(model, steps=40, rows=slice(None), **keys):
    motion = motion_of(_config(**keys), model, model.masses)
    x = torch.linspace(-0.3, 0.3, N, dtype=torch.float64)[rows, None, None]
    state = start_in_state(model, x, 0 * x + 10.0, masses=model.masses, active_state=0)
    state = replace(state, trajectory=torch.arange(N)[rows])
    state = motion.begin(state, model)
    for _ in range(steps):
        state = motion.step(state, model).state
    return state


def test_a_constant_dipole_acts_as_among_spin_states():
    """Two implementations: complex eigenvectors and a matrix of the model, real ones and an operator."""
    spin, free = (_run(model) for model in (_constant(), Known(_constant())))
    populations = spin.coefficients.abs() ** 2
    assert 0.05 < float(populations[:, 1].mean()) < 0.95
    # Which random number meets which probability is the same too.
    assert torch.equal(spin.active_state, free.active_state)
    torch.testing.assert_close(free.coefficients.abs() ** 2, populations, rtol=0, atol=1e-10)
    torch.testing.assert_close(free.positions, spin.positions, rtol=0, atol=1e-10)
    torch.testing.assert_close(free.heat, spin.heat, rtol=0, atol=1e-10)


def test_a_dipole_along_the_way_is_that_of_each_step():
    still, moving = (_run(Known(_constant(), slope=slope)) for slope in (0.0, 0.5))
    assert float((moving.coefficients.abs() ** 2 - still.coefficients.abs() ** 2).abs().max()) > 0.01
    norm = (moving.coefficients.abs() ** 2).sum(1)
    assert float((norm - 1.0).abs().max()) < 1e-12
    # A trajectory does not depend on its batch, bit for bit.
    alone = _run(Known(_constant(), slope=0.5), rows=slice(7, 9))
    assert torch.equal(alone.coefficients, moving.coefficients[7:9])
    assert torch.equal(alone.positions, moving.positions[7:9])


@pytest.mark.slow
def test_steps_half_as_long_give_the_same_wave_function():
    """Second order in the step, the dipole along the way included."""
    model = Known(_constant(), slope=0.5)
    found = [
        _run(model, steps=steps, dt_fs=10.0 / steps).coefficients.abs()[:, 1] ** 2 for steps in (40, 80, 160)
    ]
    first, second = (float((a - b).abs().median()) for a, b in itertools.pairwise(found))
    assert second < 0.4 * first


def test_a_learned_model_with_dipoles_is_driven_and_others_are_not():
    model = untrained("moments", "1x0e + 1x1o", heads=(DipoleSettings(0),))
    states = representation_of(_config(), model, model.masses)
    assert isinstance(states, FieldDriven)
    assert states.pulse.polarisation == (0.0, 0.0, 1.0)
    plain = untrained("moments", "2x0e")
    for one, keys, sentence in (
        (plain, {}, "no spin states and no dipoles"),
        (model, {"propagation": "npi"}, "must be local_diabatisation with a `laser`"),
        (model, {"representation": "spin_adiabatic"}, "must be left out with a `laser`"),
    ):
        with pytest.raises(InputError, match=sentence):
            representation_of(_config(**keys), one, one.masses)


def test_a_field_across_the_dipole_does_nothing():
    model = _constant()
    across = Known(replace(model, dipoles=model.dipoles.roll(1, 2)))
    assert np.allclose((_run(across).coefficients.abs()[:, 1] ** 2).max(), 0.0, atol=1e-2)
