"""Dipoles of a model as ASE asks for them."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.calculators.calculator import PropertyNotImplementedError
from contracts.untrained import untrained

import nadyn
from nadyn.checks.errors import InputError
from nadyn.electronic.properties import dipoles, polarisabilities
from nadyn.models.heads.dipole import DipoleSettings
from nadyn.units import ANGSTROM_PER_BOHR

NUMBERS = (7, 1, 1, 9)
POSITIONS = np.array([[0.1, 0.0, 0.7], [0.9, 1.5, 0.0], [-1.7, 0.2, 0.1], [0.8, -1.4, -0.1]])
pytestmark = pytest.mark.filterwarnings("ignore::nadyn.checks.errors.InputWarning")


def _model(charge):
    return untrained("moments", "2x0e", heads=(DipoleSettings(charge),), atomic_numbers=NUMBERS).double()


def _atoms(shift=0.0):
    return Atoms(NUMBERS, positions=POSITIONS * ANGSTROM_PER_BOHR + shift)


@pytest.mark.parametrize("state", [0, 1])
def test_the_dipole_of_a_state_is_that_of_its_surfaces(state):
    model, atoms = _model(0), _atoms()
    atoms.calc = nadyn.ase_calculator(model, state=state)
    found = nadyn.surfaces(model, torch.from_numpy(POSITIONS[None])).dipoles[0, state, state]
    np.testing.assert_allclose(atoms.get_dipole_moment(), found * ANGSTROM_PER_BOHR, atol=1e-12)
    atoms.calc.reset()
    atoms.get_potential_energy()
    assert "dipole" not in atoms.calc.results


def test_the_dipole_of_an_ion_is_about_the_centre_of_mass():
    model = _model(1)
    here, there = _atoms(), _atoms(shift=7.0)
    for atoms in (here, there):
        atoms.calc = nadyn.ase_calculator(model)
    np.testing.assert_allclose(there.get_dipole_moment(), here.get_dipole_moment(), atol=1e-10)
    positions = torch.from_numpy(POSITIONS[None])
    about = {
        origin: dipoles(model, positions, origin=origin)[0, 0, 0].numpy()
        for origin in ("coordinates", "center_of_mass", "center_of_charge")
    }
    masses = model.masses.numpy()
    centre = masses @ POSITIONS / masses.sum()
    np.testing.assert_allclose(about["coordinates"] - about["center_of_mass"], centre, atol=1e-12)
    nuclei = np.array(NUMBERS) @ POSITIONS / sum(NUMBERS)
    np.testing.assert_allclose(about["coordinates"] - about["center_of_charge"], nuclei, atol=1e-12)
    np.testing.assert_allclose(here.get_dipole_moment(), about["center_of_mass"] * ANGSTROM_PER_BOHR)


def test_a_dipole_that_means_nothing_is_refused():
    positions = torch.from_numpy(POSITIONS[None])
    with pytest.raises(InputError, match=r"`origin` must be given for the dipole of model .* charge is -1"):
        dipoles(_model(-1), positions)
    with pytest.raises(InputError, match="`origin` must be coordinates, center_of_mass or"):
        dipoles(_model(-1), positions, origin="middle")
    with pytest.raises(InputError, match="must know a polarisability, but does not"):
        polarisabilities(_model(0), positions)
    cell = torch.eye(3, dtype=torch.float64) * 20.0
    crystal = _model(0).for_atoms(NUMBERS, cell=cell, pbc=(True, True, True))
    assert nadyn.surfaces(crystal, positions).dipoles is None
    with pytest.raises(InputError, match="isolated molecule to have a dipole, but is in a periodic cell"):
        dipoles(crystal, positions)
    without = _atoms()
    without.calc = nadyn.ase_calculator(untrained("moments", "2x0e", atomic_numbers=NUMBERS))
    with pytest.raises(PropertyNotImplementedError):
        without.get_dipole_moment()
