"""Infrared and Raman intensities of molecules whose answer is known."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pytest
import torch

from nadyn.checks.errors import InputError
from nadyn.dynamics.initial.normal_modes import NormalModes
from nadyn.dynamics.spectra.correlation import infrared_of_dipoles
from nadyn.dynamics.spectra.vibrational import (
    infrared_intensities,
    raman_activities,
    vibrational_spectrum,
)
from nadyn.models.model import CARTESIAN_LAWS, Evaluation
from nadyn.units import (
    ANGSTROM_PER_BOHR,
    DEBYE_PER_AU,
    ELECTRON_MASS_PER_DALTON,
    HARTREE_PER_INVERSE_CM,
    HARTREE_PER_KELVIN,
)

CHARGE, SLOPE, STIFFNESS, LENGTH = 0.37, 1.9, 0.21, 2.1


@dataclass(frozen=True, eq=False)
class Rod:
    """Two atoms on a spring with charges ± CHARGE and a polarisability 3 + SLOPE (r - r0) along the bond."""

    name: str = "rod"
    laws: frozenset[str] = CARTESIAN_LAWS
    masses: torch.Tensor = field(default_factory=lambda: torch.tensor([2000.0, 25000.0], dtype=torch.float64))
    operators: tuple[str, ...] = ("dipole", "polarisability")
    coordinates: ClassVar[str] = "cartesian"
    n_states: ClassVar[int] = 1
    n_basis: ClassVar[int] = 1
    atomic_numbers: ClassVar[tuple[int, ...]] = (1, 17)
    fixed_diabatic_basis: ClassVar[bool] = True
    block_width: ClassVar[int] = 8
    shortest_distances: ClassVar[None] = None

    def evaluate(self, positions):
        r = (positions[:, 1] - positions[:, 0]).norm(dim=1)
        energy = 0.5 * STIFFNESS * (r - LENGTH) ** 2
        return Evaluation(energy[:, None, None], torch.zeros_like(r))

    def operator(self, name, positions):
        bond = positions[:, 1] - positions[:, 0]
        if name == "dipole":
            return (CHARGE * bond)[:, None, None]
        r = bond.norm(dim=1)[:, None, None]
        axis = bond / r[:, 0]
        return ((3.0 + SLOPE * (r - LENGTH)) * axis[:, :, None] * axis[:, None, :])[:, None, None]


def _modes(model):
    mass = model.masses.numpy()
    reduced = mass.prod() / mass.sum()
    centre = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, LENGTH]])
    along = np.array([[0, 0, -1.0 / np.sqrt(mass[0])], [0, 0, 1.0 / np.sqrt(mass[1])]]) * np.sqrt(reduced)
    frequency = np.sqrt(STIFFNESS / reduced)
    return NormalModes(centre, mass, np.array([frequency]), along[None]), reduced


def test_a_bond_with_charges_absorbs_and_scatters_as_by_hand():
    model = Rod()
    modes, reduced = _modes(model)
    found = vibrational_spectrum(model, modes)
    # 42.2561 km/mol a (D/Å)²/u: the conversion of programs of quantum chemistry.
    slope = CHARGE / np.sqrt(reduced)
    in_debye = slope * DEBYE_PER_AU / ANGSTROM_PER_BOHR * np.sqrt(ELECTRON_MASS_PER_DALTON)
    np.testing.assert_allclose(found.infrared, [42.2561 * in_debye**2], rtol=1e-5)
    # One element of the tensor changes: a' = α'/3, γ' = α'.
    change = SLOPE / np.sqrt(reduced / ELECTRON_MASS_PER_DALTON) * ANGSTROM_PER_BOHR**2
    np.testing.assert_allclose(found.raman, [(45 / 9 + 7) * change**2], rtol=1e-6)
    np.testing.assert_allclose(found.depolarisation, [3 / 9], rtol=1e-6)


def test_a_model_without_properties_has_no_spectrum():
    model = Rod(operators=("polarisability",))
    found = vibrational_spectrum(model, _modes(model)[0])
    assert found.infrared is None
    assert found.raman is not None
    with pytest.raises(InputError, match="must know a dipole"):
        vibrational_spectrum(Rod(operators=()), _modes(model)[0])


def test_raman_activity_is_that_of_the_textbook_formula():
    random = np.random.default_rng(2)
    slopes = random.normal(size=(5, 3, 3))
    slopes = slopes + slopes.swapaxes(1, 2)
    # A breathing sphere depolarises nothing; a traceless change does by three quarters.
    slopes[3] = 1.3 * np.eye(3)
    slopes[4] -= np.eye(3) * np.trace(slopes[4]) / 3
    activity, ratio = raman_activities(slopes)
    for mode, a in enumerate(slopes):
        mean = (a[0, 0] + a[1, 1] + a[2, 2]) / 3
        anisotropy = 0.5 * (
            (a[0, 0] - a[1, 1]) ** 2
            + (a[1, 1] - a[2, 2]) ** 2
            + (a[2, 2] - a[0, 0]) ** 2
            + 6 * (a[0, 1] ** 2 + a[1, 2] ** 2 + a[2, 0] ** 2)
        )
        unit = ANGSTROM_PER_BOHR**4 * ELECTRON_MASS_PER_DALTON
        assert activity[mode] == pytest.approx((45 * mean**2 + 7 * anisotropy) * unit)
        assert ratio[mode] == pytest.approx(3 * anisotropy / (45 * mean**2 + 4 * anisotropy))
    assert ratio[3] == pytest.approx(0.0, abs=1e-12)
    assert ratio[4] == pytest.approx(0.75)


# Of a vibration with 46 and with 9 frames a period: central differences see a twelfth less of the latter.
@pytest.mark.parametrize("dt", [20.0, 100.0])
def test_dipoles_along_trajectories_have_the_harmonic_intensity(dt):
    """Classical oscillators at temperature T, of random phase and energy: ⟨q'²⟩ = kT."""
    random = np.random.default_rng(5)
    frequency, temperature = 1500.0 * HARTREE_PER_INVERSE_CM, 300.0 * HARTREE_PER_KELVIN
    slope, n_traj = np.array([0.004, 0.0, 0.003]), 400
    time = dt * np.arange(3000)[:, None]
    size = np.sqrt(2 * temperature * random.exponential(size=n_traj)) / frequency
    q = size * np.cos(frequency * time + random.uniform(0, 2 * np.pi, n_traj))
    omega, density = infrared_of_dipoles(q[:, :, None] * slope, dt=dt, temperature=temperature)
    assert abs(omega[density.argmax()] - frequency) < 2 * omega[1]
    near = np.abs(omega - frequency) < 6 * omega[1]
    total = density[near].sum() * omega[1]
    expected = infrared_intensities(slope[None])[0]
    energies = (size * frequency) ** 2 / (2 * temperature)
    # The error bar of the mean energy of so many oscillators is the only statistical one.
    assert total == pytest.approx(expected * energies.mean(), rel=0.01)
    assert abs(total / expected - 1) < 3 / np.sqrt(n_traj)
