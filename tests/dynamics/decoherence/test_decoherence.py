"""Energy-based decoherence against numbers worked out by hand."""

import math

import pytest
import torch

from nadyn.dynamics.decoherence.energy_based import energy_based_decoherence

# |E_1 - E_0| = 0.06, |E_2 - E_0| = 0.20 hartree, E_kin = 0.3, C = 0.1: rates 0.045 and 0.15; dt = 2.
ENERGIES = torch.tensor([[-0.1, -0.04, 0.1]], dtype=torch.float64)
COEFFICIENTS = torch.tensor([[0.6j, 0.64, -0.48j]], dtype=torch.complex128)


@pytest.mark.parametrize(("damps", "factor"), [("populations", 1.0), ("amplitudes", 2.0)])
def test_both_conventions_damp_as_they_say(damps, factor):
    result = energy_based_decoherence(
        COEFFICIENTS,
        ENERGIES,
        torch.tensor([0]),
        torch.tensor([0.3], dtype=torch.float64),
        dt=2.0,
        damps=damps,
    )[0]
    first, second = 0.64**2 * math.exp(-0.09 * factor), 0.48**2 * math.exp(-0.30 * factor)
    assert (result.abs() ** 2).tolist() == pytest.approx([1 - first - second, first, second], abs=1e-15)
    torch.testing.assert_close(result / result.abs(), torch.tensor([1j, 1, -1j], dtype=torch.complex128))


def test_nothing_decays_without_kinetic_energy():
    result = energy_based_decoherence(
        COEFFICIENTS,
        ENERGIES,
        torch.tensor([1]),
        torch.zeros(1, dtype=torch.float64),
        dt=2.0,
        damps="amplitudes",
    )
    torch.testing.assert_close(result, COEFFICIENTS, rtol=0, atol=1e-15)


def test_an_empty_active_state_receives_what_the_others_lose():
    c = torch.tensor([[0.0, 0.6, 0.8]], dtype=torch.complex128)
    result = energy_based_decoherence(
        c, ENERGIES, torch.tensor([0]), torch.tensor([0.3], dtype=torch.float64), dt=2.0, damps="populations"
    )
    assert (result.abs() ** 2).sum().item() == pytest.approx(1.0, abs=1e-15)
    assert 0.0 < result[0, 0].abs() < 0.6
