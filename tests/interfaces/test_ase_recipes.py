"""The recipes of docs/ground_state.md: minima, vibrations and paths with ASE, on any state."""

import numpy as np
import pytest
from ase import Atoms
from ase.mep import NEB
from ase.optimize import BFGS
from ase.vibrations import Vibrations

import nadyn
from nadyn.dynamics.initial.oscillators import oscillators
from nadyn.dynamics.initial.section import InitialSection
from nadyn.units import ANGSTROM_PER_BOHR, INVERSE_CM_PER_HARTREE

pytestmark = pytest.mark.usefixtures("unchecked_annotations")


@pytest.fixture(scope="module")
def model():
    return nadyn.load_model(nadyn.shipped.path("ammonia/ammonia.safetensors")).double()


def minimum(model, state=0, fmax=0.002):
    places = model.starting_geometry.numpy() * ANGSTROM_PER_BOHR
    atoms = Atoms(model.atomic_numbers, positions=places)
    atoms.calc = nadyn.ase_calculator(model, state=state)
    assert BFGS(atoms, logfile=None).run(fmax=fmax, steps=200)
    return atoms


def height(atoms):
    """Distance of nitrogen from the plane of the hydrogens [Å]."""
    nitrogen = int(np.flatnonzero(atoms.numbers == 7)[0])
    h = atoms.positions[atoms.numbers == 1]
    normal = np.cross(h[1] - h[0], h[2] - h[0])
    return abs(float((atoms.positions[nitrogen] - h[0]) @ normal)) / np.linalg.norm(normal)


@pytest.mark.slow
def test_vibrations_are_the_normal_modes_of_nadyn(model, tmp_path):
    atoms = minimum(model)
    vibrations = Vibrations(atoms, name=str(tmp_path / "vib"), delta=0.005)
    vibrations.run()
    of_ase = np.sort(vibrations.get_frequencies().real)[-6:]
    modes = oscillators(model, InitialSection(sample="wigner", n=1)).modes
    ours = np.sort(modes.frequencies)[-6:] * INVERSE_CM_PER_HARTREE
    # ASE takes mean masses of the elements: hydrogen's is 0.01 % above that of its isotope.
    np.testing.assert_allclose(of_ase, ours, rtol=2e-3)


def test_ammonia_is_a_pyramid_below_and_flat_above(model):
    below = minimum(model)
    assert 0.3 < height(below) < 0.45
    above = minimum(model, state=1, fmax=0.02)
    assert height(above) < 0.05


def test_a_nudged_band_goes_through_the_plane(model):
    """The path of the inversion; its top is the planar minimum of a symmetric search."""
    first = minimum(model)
    last = first.copy()
    nitrogen = int(np.flatnonzero(first.numbers == 7)[0])
    h = first.positions[first.numbers == 1]
    normal = np.cross(h[1] - h[0], h[2] - h[0])
    normal /= np.linalg.norm(normal)
    last.positions[nitrogen] -= 2 * ((first.positions[nitrogen] - h[0]) @ normal) * normal
    images = [first, *(first.copy() for _ in range(3)), last]
    for image in images[1:]:
        image.calc = nadyn.ase_calculator(model)
    band = NEB(images, climb=True, method="improvedtangent")
    band.interpolate()
    assert BFGS(band, logfile=None).run(fmax=0.02, steps=100)
    energies = [image.get_potential_energy() for image in images]
    assert abs(energies[0] - energies[-1]) < 1e-4
    assert int(np.argmax(energies)) == 2
    assert height(images[2]) < 0.01
    flat = images[2].copy()
    flat.calc = nadyn.ase_calculator(model)
    assert np.abs(flat.get_forces()).max() < 0.02
    # The barrier of ammonia is 0.23 eV (C. Leonard et al., J. Chem. Phys. 124, 044301 (2006)).
    assert 0.1 < energies[2] - energies[0] < 0.4
