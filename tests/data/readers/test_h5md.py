"""H5MD, as its specification has it; no file of another program was at hand."""

import h5py
import numpy as np
import pytest

from nadyn.checks.errors import InputError, InputWarning
from nadyn.data.readers.h5md import _quotient, read_h5md
from nadyn.data.readers.table import read_file
from nadyn.units import to_atomic_units
from tests.cli.typed import typed

N_FRAMES, N_ATOMS = 5, 4
RANDOM = np.random.default_rng(1)
POSITIONS = 0.12 * np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]) + 0.004 * RANDOM.normal(
    size=(N_FRAMES, N_ATOMS, 3)
)
FORCES = 100 * RANDOM.normal(size=(N_FRAMES, N_ATOMS, 3))
ENERGIES = -20.0 + RANDOM.normal(size=N_FRAMES)
SPECIES = [8, 6, 1, 1]


def _element(group, name, values, unit, steps):
    element = group.create_group(name)
    element["value"], element["step"] = values, steps
    if unit is not None:
        element["value"].attrs["unit"] = unit


def _write(path, *, thermodynamics=True, enum=True, box="periodic", unit="nm", at=None, energy=True):
    steps = 10 * np.arange(N_FRAMES)
    with h5py.File(path, "w") as file:
        file.create_group("h5md").attrs["version"] = [1, 1]
        if thermodynamics:
            file.create_group("h5md/modules/thermodynamics").attrs["version"] = [1, 0]
        atoms = file.create_group("particles/all")
        _element(atoms, "position", POSITIONS, unit, steps)
        # Of every second frame.
        _element(atoms, "force", FORCES[::2], "kJ mol-1 nm-1", steps[::2])
        kind = h5py.enum_dtype({"O": 0, "C": 1, "H": 2}, basetype="i4")
        if enum:
            atoms.create_dataset("species", data=np.array([0, 1, 2, 2]), dtype=kind)
        else:
            atoms["species"] = np.array(SPECIES)
        atoms.create_group("box").attrs["boundary"] = np.array([box] * 3, dtype="S8")
        atoms["box"].create_dataset("edges", data=[1.1, 1.2, 1.3]).attrs["unit"] = "nm"
        if energy:
            per = N_ATOMS if thermodynamics else 1
            shown = steps if at is None else np.array(at)
            values = ENERGIES[: len(shown)] / per
            _element(file, "observables/potential_energy", values, "kJ mol-1", shown)


def test_positions_energies_forces_and_the_box_are_those_of_the_file(tmp_path):
    _write(tmp_path / "a.h5md")
    group = read_file(tmp_path / "a.h5md").groups[0]
    nm, mole = to_atomic_units("nm", "length"), to_atomic_units("kJ/mol", "energy")
    assert group.atomic_numbers.tolist() == SPECIES and group.name == "CH2O"
    np.testing.assert_allclose(group.positions, POSITIONS * nm, rtol=1e-12)
    np.testing.assert_allclose(group.energies[:, 0], ENERGIES * mole, rtol=1e-12)
    np.testing.assert_allclose(group.forces[::2, 0], FORCES[::2] * mole / nm, rtol=1e-12)
    assert np.isnan(group.forces[1::2]).all()
    np.testing.assert_allclose(group.cell[3], np.diag([1.1, 1.2, 1.3]) * nm, rtol=1e-12)
    assert group.pbc.all()


def test_frames_of_one_step_belong_together(tmp_path):
    _write(tmp_path / "a.h5md", at=[20, 40, 90], box="none")
    group = read_file(tmp_path / "a.h5md").groups[0]
    np.testing.assert_allclose(group.positions, POSITIONS[[2, 4]] * to_atomic_units("nm", "length"))
    np.testing.assert_allclose(group.energies[:, 0], ENERGIES[:2] * to_atomic_units("kJ/mol", "energy"))
    assert group.cell is None and not group.pbc.any()


def test_without_the_module_the_energy_is_that_of_all_and_numbers_are_atomic_numbers(tmp_path):
    _write(tmp_path / "a.h5md", thermodynamics=False, enum=False)
    with pytest.warns(InputWarning) as said:
        group = read_h5md(tmp_path / "a.h5md").groups[0]
    assert group.atomic_numbers.tolist() == SPECIES
    np.testing.assert_allclose(group.energies[:, 0], ENERGIES * to_atomic_units("kJ/mol", "energy"))
    words = " ".join(str(one.message) for one in said)
    assert "taken as that of all" in words and "taken as atomic numbers" in words


def test_what_is_missing_is_said_and_can_be_given(tmp_path):
    _write(tmp_path / "a.h5md", unit=None)
    with pytest.raises(InputError, match="unit of `positions` must be said"):
        read_file(tmp_path / "a.h5md")
    code, said = typed("info", tmp_path / "a.h5md", "--unit", "positions=nm")
    assert code == 0 and "CH2O: 5 frames, 4 atoms, 1 state" in said
    _write(tmp_path / "b.h5md", energy=False)
    with pytest.raises(InputError, match="geometries alone are no data"):
        read_file(tmp_path / "b.h5md")


def test_units_with_powers_become_quotients():
    assert _quotient("kJ mol-1 nm-1") == "kJ/mol/nm"
    assert _quotient("eV Angstrom-3") == "eV/Angstrom^3"
    assert _quotient("nm+2") == "nm^2"
