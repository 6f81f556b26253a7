"""The spin-boson model and its bath."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from nadyn.checks.errors import InputError
from nadyn.models.analytic import spin_boson

REORGANISATION, CUTOFF = 0.004, 0.006


def _spectral_density(density, w):
    if density == "debye":
        return 0.5 * REORGANISATION * w * CUTOFF / (w**2 + CUTOFF**2)
    return 0.25 * math.pi * REORGANISATION / CUTOFF * w * math.exp(-w / CUTOFF)


def _couplings(model):
    """κ_j from the matrix itself: W_11 - W_22 is linear in Q."""
    n = len(model.masses)
    positions = torch.eye(n, dtype=torch.float64)[:, :, None]
    zero = model.evaluate(torch.zeros(1, n, 1, dtype=torch.float64)).hamiltonian[0]
    matrices = model.evaluate(positions).hamiltonian - zero
    return (0.5 * (matrices[:, 0, 0] - matrices[:, 1, 1])).numpy()


@pytest.mark.parametrize("density", ["debye", "ohmic"])
def test_the_discrete_bath_is_the_continuous_one_below_any_frequency(density):
    model = spin_boson(density, 400, 0.0, 0.001, REORGANISATION, CUTOFF)
    frequencies, kappa = model.frequencies.numpy(), _couplings(model)
    for limit in (0.3 * CUTOFF, CUTOFF, 3 * CUTOFF):
        # Of J(ω) = (π/2) Σ c²/ω δ(ω - ω_j) with c² = κ² ω the integral of J/ω is (π/2) Σ κ²/ω.
        discrete = 0.5 * math.pi * (kappa**2 / frequencies)[frequencies < limit].sum()
        continuous, _ = quad(lambda w: _spectral_density(density, w) / w, 0.0, limit)
        assert discrete == pytest.approx(continuous, rel=0.01)


@pytest.mark.parametrize("density", ["debye", "ohmic"])
def test_the_reorganisation_energy_is_that_between_the_minima(density):
    model = spin_boson(density, 7, 0.0015, 0.001, REORGANISATION, CUTOFF)
    minimum = torch.from_numpy(-_couplings(model)) / model.frequencies
    there = model.evaluate(minimum[None, :, None]).hamiltonian[0]
    of_the_other = model.evaluate(-minimum[None, :, None]).hamiltonian[0]
    assert float(there[1, 1] - of_the_other[1, 1]) == pytest.approx(REORGANISATION, rel=1e-12)
    assert float(there[0, 0] - of_the_other[1, 1]) == pytest.approx(2 * 0.0015, rel=1e-12)
    assert float(there[0, 1]) == 0.001


def test_the_bath_does_not_couple_the_two_states():
    model = spin_boson("ohmic", 5, 0.0, 0.002, REORGANISATION, CUTOFF)
    positions = torch.randn(4, 5, 1, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    np.testing.assert_array_equal(model.evaluate(positions).hamiltonian[:, 0, 1].numpy(), 0.002)


GOOD = ("debye", 5, 0.0, 0.001, 0.004, 0.006)


@pytest.mark.parametrize(
    ("place", "value", "sentence"),
    [
        (0, "drude", "must be one of debye, ohmic, but is 'drude'"),
        (1, 0, "`modes` of model spin_boson must be a number from 1 to 10000"),
        (1, 2.0, "`modes` of model spin_boson"),
        (2, float("nan"), "`bias_au` of model spin_boson must be a finite number"),
        (4, -0.1, "`reorganisation_au` of model spin_boson must be a positive number"),
        (5, 0, "`cutoff_au` of model spin_boson must be a positive number"),
    ],
)
def test_a_bath_that_is_none_is_refused(place, value, sentence, unchecked_annotations):
    options = list(GOOD)
    options[place] = value
    with pytest.raises(InputError, match=sentence):
        spin_boson(*options)
