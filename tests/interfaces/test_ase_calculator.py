"""A model in ASE."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule
from ase.calculators.calculator import PropertyNotImplementedError
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress
from contracts.in_place_of import InPlaceOf
from contracts.models import MODELS
from contracts.untrained import untrained

import nadyn
from nadyn import shipped
from nadyn.checks.errors import InputError, InputWarning
from nadyn.models.analytic import tully
from nadyn.models.molecules import Molecule
from nadyn.units import ANGSTROM_PER_BOHR, ELECTRONVOLT_PER_HARTREE


@pytest.fixture
def atoms():
    positions = MODELS["springs"].positions(1)[0].numpy() * ANGSTROM_PER_BOHR
    return Atoms("NHHF", positions)


@pytest.mark.parametrize("state", [0, 1])
def test_forces_are_the_numeric_derivative_of_the_energy(atoms, state):
    atoms.calc = nadyn.ase_calculator(MODELS["springs"].build(), state=state)
    forces = atoms.get_forces()
    assert forces.shape == (4, 3)
    np.testing.assert_allclose(forces, calculate_numerical_forces(atoms, eps=1e-4), atol=1e-6)


def test_results_are_the_surfaces_in_electronvolt_and_angstrom(atoms):
    model = MODELS["springs"].build()
    atoms.calc = nadyn.ase_calculator(model, state=1)
    surfaces = nadyn.surfaces(model, MODELS["springs"].positions(1))
    energies = surfaces.energies[0].numpy() * ELECTRONVOLT_PER_HARTREE
    assert atoms.get_potential_energy() == pytest.approx(energies[1], abs=1e-10)
    np.testing.assert_allclose(atoms.calc.results["energies_of_states"], energies, atol=1e-10)
    expected = surfaces.forces[0, 1].numpy() * ELECTRONVOLT_PER_HARTREE / ANGSTROM_PER_BOHR
    np.testing.assert_allclose(atoms.get_forces(), expected, atol=1e-9)


def test_moved_atoms_are_evaluated_again(atoms):
    atoms.calc = nadyn.ase_calculator(MODELS["springs"].build())
    before = atoms.get_potential_energy()
    atoms.positions[0, 2] += 0.1
    assert abs(atoms.get_potential_energy() - before) > 1e-3


def test_other_atoms_are_refused(atoms):
    atoms.numbers = [7, 1, 9, 1]
    atoms.calc = nadyn.ase_calculator(MODELS["springs"].build())
    with pytest.raises(InputError, match=r"in their order \(\[7, 1, 1, 9\]\), but are \[7, 1, 9, 1\]"):
        atoms.get_potential_energy()


def test_a_periodic_cell_is_refused_by_a_model_of_isolated_molecules(atoms):
    atoms.cell, atoms.pbc = np.eye(3) * 9, True
    atoms.calc = nadyn.ase_calculator(MODELS["springs"].build())
    with pytest.raises(InputError, match="must not be periodic"):
        atoms.get_potential_energy()


def test_a_model_that_can_serve_other_molecules_is_asked_to(atoms):
    asked = []

    class Adaptable(InPlaceOf):
        """Springs that take any order of their atoms."""

        def for_atoms(self, atomic_numbers, *, cell, pbc):
            asked.append((atomic_numbers, cell, pbc))
            return self.inner

    atoms.numbers = [7, 1, 9, 1]
    atoms.cell, atoms.pbc = np.eye(3) * 9, (True, False, True)
    atoms.calc = nadyn.ase_calculator(Adaptable(MODELS["springs"].build()))
    atoms.get_potential_energy()
    numbers, cell, pbc = asked[0]
    assert numbers == (7, 1, 9, 1)
    assert pbc == (True, False, True)
    torch.testing.assert_close(cell, torch.eye(3, dtype=torch.float64) * 9 / ANGSTROM_PER_BOHR)


def test_a_model_of_a_crystal_serves_an_isolated_molecule_without_its_cell(atoms):
    model = untrained("moments", "2x0e").double()
    positions = torch.from_numpy(atoms.positions / ANGSTROM_PER_BOHR)[None]
    cell = torch.diag(torch.tensor([6.1, 5.7, 6.6], dtype=torch.float64))
    crystal = model.for_atoms((7, 1, 1, 9), cell=cell, pbc=(True, True, True))
    for bound, periodic in ((model, False), (crystal, True)):
        atoms.cell, atoms.pbc = cell.numpy() * ANGSTROM_PER_BOHR, periodic
        atoms.calc = nadyn.ase_calculator(crystal)
        expected = float(nadyn.surfaces(bound, positions).energies[0, 0]) * ELECTRONVOLT_PER_HARTREE
        assert atoms.get_potential_energy() == pytest.approx(expected, abs=1e-9)


def test_a_model_on_another_device_is_refused():
    # Where there is no other device, a description of one.
    elsewhere = untrained("moments", None).to("meta")
    with pytest.raises(InputError, match="must be on the processor for ASE, but is on meta"):
        nadyn.ase_calculator(elsewhere)


def test_models_of_generalised_coordinates_and_unknown_states_are_refused():
    with pytest.raises(InputError, match="must be of Cartesian coordinates"):
        nadyn.ase_calculator(tully(1))
    with pytest.raises(InputError, match="`state` must be from 0 to 1 for this model, but is 2"):
        nadyn.ase_calculator(MODELS["springs"].build(), state=2)


def test_a_geometry_outside_of_the_training_data_is_marked_and_warned_of_once():
    model = nadyn.load_model(shipped.path("hexafluorobutene/hexafluorobutene.safetensors"))
    inside = model.starting_geometry.double().numpy() * ANGSTROM_PER_BOHR
    atoms = Atoms(model.atomic_numbers, inside, calculator=nadyn.ase_calculator(model))
    atoms.get_potential_energy()
    assert atoms.calc.results["outside_training"] is False
    assert atoms.calc.results["novelty"] <= 0.01
    atoms.positions[1] += 20.0
    with pytest.warns(InputWarning, match="must lie where model") as caught:
        atoms.get_potential_energy()
        atoms.positions[1] = atoms.positions[2] + 0.1
        atoms.get_forces()
    assert sum(issubclass(one.category, InputWarning) for one in caught) == 1
    assert atoms.calc.results["outside_training"] is True
    with pytest.warns(InputWarning, match="two atoms are too close"):
        Atoms(model.atomic_numbers, atoms.positions, calculator=nadyn.ase_calculator(model)).get_forces()


@pytest.mark.parametrize("name", ["CF4", "C2H4", "C2H2"])
def test_a_molecule_that_the_training_does_not_determine_is_outside_of_it(name):
    atoms = molecule(name)
    model = nadyn.load_model(shipped.path("hexafluorobutene/hexafluorobutene.safetensors"))
    atoms.calc = nadyn.ase_calculator(model)
    with pytest.warns(
        InputWarning, match=f"was trained on C4H2F6 and asked for {atoms.get_chemical_formula()}"
    ):
        atoms.get_potential_energy()
    assert atoms.calc.results["outside_training"] is True


@pytest.mark.parametrize("basis, state", [(None, 0), ("2x0e + 1x1o", 1)])
def test_the_stress_is_the_numeric_derivative_in_a_strain_of_the_cell(basis, state):
    model = untrained("moments", basis, cutoff=5.0).double()
    cell = np.array([[3.3, 0.1, -0.1], [0.4, 3.0, 0.2], [-0.2, 0.3, 3.5]])
    scaled = [[0.02, 0.05, 0.0], [0.5, 0.45, 0.1], [0.2, 0.2, 0.55], [0.7, 0.7, 0.7]]
    atoms = Atoms("FHCN", scaled_positions=scaled, cell=cell, pbc=True)
    atoms.calc = nadyn.ase_calculator(model, state=state)
    stress = atoms.get_stress()
    np.testing.assert_allclose(stress, calculate_numerical_stress(atoms, eps=1e-5), atol=2e-8)
    assert np.abs(stress).max() > 1e-3
    np.testing.assert_allclose(atoms.get_forces(), calculate_numerical_forces(atoms, eps=1e-4), atol=1e-6)


def test_what_has_no_volume_has_no_stress(atoms):
    atoms.calc = nadyn.ase_calculator(untrained("moments", None))
    with pytest.raises(PropertyNotImplementedError):
        atoms.get_stress()


def test_charges_are_those_of_the_atoms_in_their_order():
    model = untrained(
        "moments", None, atomic_numbers=(9, 1, 7, 1), formal_charges=(1.0, -4.0, -1.0, -1.0)
    ).double()
    atoms = Atoms("FHNH", [[0, 0, 0], [1.1, 0, 0.2], [0, 1.5, 0], [0.3, 1.4, 1.2]], info={"charge": 0})
    atoms.calc = nadyn.ase_calculator(model)
    charges = atoms.get_charges()
    assert charges.sum() == pytest.approx(0.0, abs=1e-12) and np.abs(charges).min() > 1e-3
    turned = atoms[[2, 3, 0, 1]]
    turned.calc = atoms.calc
    np.testing.assert_allclose(turned.get_charges(), charges[[2, 3, 0, 1]], atol=1e-12)
    np.testing.assert_allclose(atoms.get_forces(), calculate_numerical_forces(atoms, eps=1e-4), atol=1e-5)
    atoms.info["charge"] = 1
    with pytest.raises(InputError, match="the total charge must be the sum of the formal charges"):
        atoms.calc.calculate(atoms)


def test_a_model_without_charges_has_none_in_ase(atoms):
    atoms.calc = nadyn.ase_calculator(MODELS["springs"].build())
    with pytest.raises(PropertyNotImplementedError):
        atoms.get_charges()


def test_a_total_charge_that_the_training_did_not_have_is_refused(atoms):
    groups = {"toy": {"charge": 0, "assumed": []}, "ion": {"charge": 1, "assumed": []}}
    own = (Molecule("toy", (7, 1, 1, 9), 20, None), Molecule("ion", (7, 1, 1, 1, 1), 20, None))
    model = replace(untrained("moments", None), trained_on={"groups": groups}, molecules=own)

    def energy(charge, **changes):
        atoms.info = {} if charge is None else {"charge": charge}
        atoms.calc = nadyn.ase_calculator(replace(model, **changes))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InputWarning)
            return atoms.get_potential_energy()

    assert energy(0) == energy(None)
    sentence = r"charge must be one that model .* was trained on \(\+0\), but is \+1: .* of that charge\."
    with pytest.raises(InputError, match=sentence):
        energy(1)
    # What a file did not say is no knowledge, and of other atoms any charge of the training may be meant.
    unknown = {"groups": {"toy": {"charge": 0, "assumed": ["charge"]}}}
    assert energy(1, trained_on=unknown) == energy(0)
    assert energy(1, molecules=own[1:]) == energy(0)
    with pytest.raises(InputError, match=r"\(\+0 or \+1\), but is -1"):
        energy(-1, molecules=own[1:])
