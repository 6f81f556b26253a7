"""Thousands of steps among bound states leave the norm of the coefficients at one.

Ten thousand for the ways that most runs use, a thousand for the others: a step with checked annotations takes
ten times as long as one without.
"""

import sys
from pathlib import Path

import pytest
import torch
from contracts.methods import METHOD_CASES, motion

from nadyn.dynamics.initial.start import start_in_diabatic_state
from nadyn.models.analytic.vibronic import pyrazine

sys.path.append(str(Path(__file__).parents[1] / "dynamics"))
from spin_models import SpinMolecule
from toy_molecule import start

pytestmark = pytest.mark.usefixtures("unchecked_annotations")

# One case of each way in which coefficients change.
CASES = (
    "fssh",
    "fssh without decoherence",
    "sdm",
    "npi",
    "state_reordering",
    "tdc",
    "curvature",
    "after attempt",
    "afssh",
    "shxf",
    "mash",
    "multistate_mash",
    "ehrenfest",
    "csdm",
    "spin_lsc",
    "sqc",
    "adaptive",
)
LONG = ("fssh", "tdc", "mash", "ehrenfest")


def _worst(name, model, state, n_steps):
    ready = motion(METHOD_CASES[name], model)
    state, worst = ready.begin(state, model), 0.0
    for _ in range(n_steps):
        state = ready.step(state, model).state
        worst = max(worst, float((state.coefficients.abs().square().sum(1) - 1.0).abs().max()))
    assert bool(torch.isfinite(state.positions).all())
    return worst


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_the_norm_stays_one_for_thousands_of_steps(name):
    model = pyrazine(4)
    generator = torch.Generator().manual_seed(3)
    positions, momenta = torch.randn(2, 4, 4, 1, generator=generator, dtype=torch.float64)
    state = start_in_diabatic_state(model, positions, momenta, masses=model.masses, diabatic_state=1, seed=4)
    assert _worst(name, model, state, 10_000 if name in LONG else 1_000) < 1e-12


@pytest.mark.slow
def test_the_norm_stays_one_among_spin_adiabatic_states():
    model = SpinMolecule()
    positions, momenta = start(4, momentum=1.0)
    state = start_in_diabatic_state(model, positions, momenta, masses=model.masses, diabatic_state=1, seed=4)
    assert _worst("spin_adiabatic", model, state, 1_000) < 1e-12
