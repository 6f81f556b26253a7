"""Absorption of an ensemble, beside sum rules and formulae written out."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from contracts.untrained import untrained

from nadyn.checks.errors import InputError
from nadyn.dynamics.spectra.excitation import Excitations, absorption, excitations
from nadyn.electronic.surfaces import surfaces
from nadyn.models.analytic import sulfur_dioxide
from nadyn.models.heads.dipole import DipoleSettings
from nadyn.units import ANGSTROM_PER_BOHR

N = 6


@pytest.fixture(scope="module")
def model():
    return untrained("moments", "3x0e", n_states=3, heads=(DipoleSettings(0),)).double()


@pytest.fixture(scope="module")
def positions():
    middle = np.array([[0.1, 0.0, 0.7], [0.9, 1.5, 0.0], [-1.7, 0.2, 0.1], [0.8, -1.4, -0.1]])
    return middle + 0.1 * np.random.default_rng(4).normal(size=(N, 4, 3))


@pytest.mark.parametrize("state", [0, 1])
def test_oscillator_strengths_are_those_of_the_surfaces(model, positions, state):
    weight = np.arange(1.0, N + 1)
    found = excitations(model, positions, from_state=state, weight=weight)
    result = surfaces(model, torch.from_numpy(positions))
    for column, other in enumerate(k for k in range(3) if k != state):
        for geometry in range(N):
            gap = float(result.energies[geometry, other] - result.energies[geometry, state])
            moment = result.dipoles[geometry, state, other].numpy()
            assert found.energies[geometry, column] == pytest.approx(gap, rel=1e-12)
            assert found.strengths[geometry, column] == pytest.approx(2 / 3 * gap * (moment @ moment))
    np.testing.assert_allclose(found.weight, weight / weight.mean())


def test_the_area_of_a_narrow_line_is_its_oscillator_strength():
    """∫ σ dE = 2π² α f in atomic units (Kuhn's sum rule without the sum)."""
    found = Excitations(0, (1,), np.array([[0.2]]), np.array([[0.31]]), np.ones(1), np.array([[1]]))
    energies = np.linspace(0.19, 0.21, 20001)
    spectrum = absorption(found, energies, fwhm=5e-4)
    area = spectrum.cross_section.sum() * (energies[1] - energies[0]) / ANGSTROM_PER_BOHR**2
    assert area == pytest.approx(2 * np.pi**2 / 137.035999 * 0.31, rel=1e-4)
    # Half as high at half the width beside the middle.
    at = absorption(found, np.array([0.2, 0.2 + 2.5e-4]), fwhm=5e-4).cross_section
    assert at[1] / at[0] == pytest.approx(0.5, rel=3e-3)


def test_the_error_band_is_that_of_a_mean_and_nothing_below_is_absorbed():
    random = np.random.default_rng(1)
    gaps = np.stack([-random.uniform(0.1, 0.2, 40), random.uniform(0.15, 0.25, 40)], axis=1)
    strengths, weight = np.full((40, 2), 0.2) * np.sign(gaps), random.uniform(0.5, 1.5, 40)
    found = Excitations(1, (0, 2), gaps, strengths, weight, np.tile([0, 2], (40, 1)))
    energies = np.linspace(0.1, 0.3, 7)
    spectrum = absorption(found, energies, fwhm=0.02)
    one = [
        absorption(
            replace(
                found,
                energies=gaps[[g]],
                strengths=found.strengths[[g]],
                weight=np.ones(1),
                by_energy=found.by_energy[[g]],
            ),
            energies,
            fwhm=0.02,
        ).cross_section
        * found.weight[g]
        for g in range(40)
    ]
    np.testing.assert_allclose(spectrum.cross_section, np.mean(one, axis=0))
    np.testing.assert_allclose(spectrum.error, 1.96 * np.std(one, axis=0, ddof=1) / np.sqrt(40))
    assert float(np.abs(spectrum.of_transitions[0]).max()) == 0.0
    np.testing.assert_allclose(spectrum.of_transitions.sum(axis=0), spectrum.cross_section)


def test_what_cannot_absorb_is_refused(model, positions):
    with pytest.raises(InputError, match="`state` must be one of at least two states"):
        excitations(model, positions, from_state=3)
    with pytest.raises(InputError, match="must know a dipole to have a spectrum"):
        excitations(untrained("moments", "3x0e", n_states=3).double(), positions)


@pytest.mark.parametrize(("state", "ends"), [(0, (1, 2)), (1, (0, 2)), (3, (4, 5))])
def test_light_goes_from_a_state_to_those_of_its_own_spin(state, ends):
    """Three singlets and three triplets of SO2: gaps are those of the block of W of one spin alone."""
    model = sulfur_dioxide("triplets")
    positions = np.random.default_rng(3).normal(size=(40, 3, 1))
    found = excitations(model, positions, from_state=state)
    assert found.to_states == ends
    rows = [0, 1, 2] if state < 3 else [3, 4, 5]
    matrix = model.evaluate(torch.from_numpy(positions)).hamiltonian.numpy()[:, rows][:, :, rows]
    levels = np.linalg.eigvalsh(matrix)
    others = [end - rows[0] for end in ends]
    np.testing.assert_allclose(found.energies, levels[:, others] - levels[:, [state - rows[0]]], atol=1e-12)
    # What a model that knows the singlets alone says.
    if state < 3:
        alone = excitations(sulfur_dioxide("singlets"), positions, from_state=state)
        np.testing.assert_allclose(found.energies, alone.energies, atol=2e-3)
