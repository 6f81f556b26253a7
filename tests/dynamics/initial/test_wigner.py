"""Momenta without rotation."""

import numpy as np

from nadyn.dynamics.initial.wigner import maxwell_boltzmann, mode_energies, without_rotation
from nadyn.units import HARTREE_PER_INVERSE_CM, HARTREE_PER_KELVIN

MASSES = np.array([25000.0, 1800.0, 22000.0, 64000.0])


def _phase_space():
    generator = np.random.default_rng(6)
    return generator.normal(size=(5, 4, 3)), 30 * generator.normal(size=(5, 4, 3))


def _kinetic(momenta):
    return 0.5 * (momenta**2 / MASSES[:, None]).sum((1, 2))


def test_taking_rotation_out_keeps_the_kinetic_energy():
    positions, momenta = _phase_space()
    calm = without_rotation(positions, momenta, MASSES)
    np.testing.assert_allclose(_kinetic(calm), _kinetic(momenta), rtol=1e-12)
    relative = positions - (MASSES[:, None] * positions).sum(1, keepdims=True) / MASSES.sum()
    np.testing.assert_allclose(np.cross(relative, calm).sum(1), 0.0, atol=1e-11)
    np.testing.assert_allclose(calm.sum(1), 0.0, atol=1e-11)


def test_momenta_without_rotation_stay_as_they_are():
    positions, momenta = _phase_space()
    calm = without_rotation(positions, momenta, MASSES)
    np.testing.assert_allclose(without_rotation(positions, calm, MASSES), calm, atol=1e-11)


def test_a_molecule_at_rest_stays_at_rest():
    positions, momenta = _phase_space()
    assert not np.any(without_rotation(positions, np.zeros_like(momenta), MASSES))


def test_a_hot_quantum_oscillator_has_the_energy_of_a_classical_one():
    frequencies = np.array([20.0, 50.0]) * HARTREE_PER_INVERSE_CM
    quantum, classical = (
        mode_energies(frequencies, distribution=distribution, temperature_kelvin=5000.0)
        for distribution in ("wigner", "thermal")
    )
    # Next term of the expansion: (ħω/kT)²/12.
    thermal = HARTREE_PER_KELVIN * 5000.0
    np.testing.assert_allclose(quantum, classical * (1 + (frequencies / thermal) ** 2 / 12), rtol=1e-8)


def test_thermal_momenta_without_rotation_have_the_kinetic_energies_of_three_degrees_of_freedom():
    """Of three atoms nine components less six: K/kT has the mean 3/2 and the variance 3/2."""
    n, masses = 6000, np.array([2.0, 5.0, 9.0])
    positions = np.tile([[0.0, 0.3, 0.0], [1.7, 0.0, 0.4], [-0.2, 1.4, 0.9]], (n, 1, 1))
    momenta = maxwell_boltzmann(positions, masses, temperature_kelvin=300.0, keeps_rotation=True, seed=4)
    kinetic = 0.5 * (momenta**2 / masses[:, None]).sum(axis=(1, 2)) / (HARTREE_PER_KELVIN * 300.0)
    assert abs(kinetic.mean() - 1.5) < 3 * (1.5 / n) ** 0.5
    # The fourth central moment of a gamma distribution of shape 3/2 is 15.75.
    assert abs(kinetic.var(ddof=1) - 1.5) < 3 * ((15.75 - 1.5**2) / n) ** 0.5
    np.testing.assert_allclose(np.cross(positions, momenta).sum(1), 0.0, atol=1e-12)
