"""The file of initial conditions."""

from dataclasses import replace

import ase.io
import h5py
import numpy as np
import pytest

from nadyn.checks.errors import InputError
from nadyn.trajectory.initial_conditions import (
    InitialConditions,
    read_initial_conditions,
    write_initial_conditions,
)
from nadyn.trajectory.writers.xyz import write_starts
from nadyn.units import BOHR_PER_ANGSTROM


def _initial(*, cartesian):
    generator = np.random.default_rng(1)
    last = 3 if cartesian else 1
    return InitialConditions(
        positions=generator.normal(size=(5, 4, last)),
        momenta=generator.normal(size=(5, 4, last)),
        weight=generator.uniform(size=5),
        masses=1000 * generator.uniform(size=4),
        atomic_numbers=np.array([7, 1, 1, 9]) if cartesian else None,
        state=1 if cartesian else None,
        diabatic_state=None if cartesian else 0,
        origin="made up",
        temperature_kelvin=300.0 if cartesian else None,
        notices=("Mode 1 is soft: below 100 cm⁻¹.", "Another.") if cartesian else (),
    )


@pytest.mark.parametrize("cartesian", [True, False])
def test_what_is_written_is_read_bit_for_bit(tmp_path, cartesian):
    path, before = tmp_path / "initial.h5", _initial(cartesian=cartesian)
    write_initial_conditions(path, before)
    after = read_initial_conditions(path)
    for name in ("positions", "momenta", "weight", "masses", "atomic_numbers"):
        assert np.array_equal(getattr(after, name), getattr(before, name)), name
    for name in ("state", "diabatic_state", "origin", "temperature_kelvin", "notices"):
        assert getattr(after, name) == getattr(before, name), name
    assert [file.name for file in tmp_path.iterdir()] == ["initial.h5"]


CELL = np.array([[9.0, 0.5, 0.0], [0.0, 7.0, -0.3], [0.2, 0.0, 30.0]])


def test_a_cell_and_its_directions_come_back_and_a_file_without_has_none(tmp_path):
    before = replace(_initial(cartesian=True), cell=CELL, pbc=(True, True, False))
    write_initial_conditions(tmp_path / "slab.h5", before)
    after = read_initial_conditions(tmp_path / "slab.h5")
    np.testing.assert_array_equal(after.cell, CELL)
    assert after.pbc == (True, True, False)
    write_starts(tmp_path / "slab.xyz", before)
    atoms = ase.io.read(tmp_path / "slab.xyz", index=3)
    np.testing.assert_allclose(atoms.cell.array * BOHR_PER_ANGSTROM, CELL, rtol=1e-15)
    assert atoms.pbc.tolist() == [True, True, False]
    write_initial_conditions(tmp_path / "gas.h5", replace(before, cell=None))
    assert read_initial_conditions(tmp_path / "gas.h5").cell is None


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("cell", np.ones((3, 3)), "must be three vectors that span a volume"),
        ("cell", np.ones((2, 3)), "`cell` must have shape"),
        ("pbc", [1, 2, 0], "by 0 or 1 which of three directions are periodic"),
        ("pbc", [0, 0, 0], "one at least"),
        ("pbc", None, "by 0 or 1 which of three directions are periodic"),
    ],
)
def test_a_cell_that_is_none_is_refused(tmp_path, name, value, sentence):
    before = replace(_initial(cartesian=True), cell=CELL, pbc=(True, True, False))
    write_initial_conditions(tmp_path / "slab.h5", before)
    with h5py.File(tmp_path / "slab.h5", "r+") as file:
        unit = file[name].attrs["unit"]
        del file[name]
        if value is not None:
            file[name] = value
            file[name].attrs["unit"] = unit
    with pytest.raises(InputError, match=sentence):
        read_initial_conditions(tmp_path / "slab.h5")


def test_units_are_converted_from_their_attributes(tmp_path):
    path, before = tmp_path / "initial.h5", _initial(cartesian=True)
    write_initial_conditions(path, before)
    with h5py.File(path, "r+") as file:
        file["positions"].attrs["unit"] = "angstrom"
    expected = before.positions * BOHR_PER_ANGSTROM
    np.testing.assert_allclose(read_initial_conditions(path).positions, expected, rtol=1e-15)


def _without_unit(file):
    del file["momenta"].attrs["unit"]


def _wrong_unit(file):
    file["masses"].attrs["unit"] = "bohr"


def _without_weight(file):
    del file["weight"]


def _not_finite(file):
    file["positions"][2, 1, 0] = np.nan


def _short(file):
    del file["momenta"]
    file["momenta"] = np.zeros((4, 4, 3))
    file["momenta"].attrs["unit"] = "electron_mass*bohr/au_time"


def _other_format(file):
    file.attrs["format"] = "nadyn-dataset"


def _words_for_positions(file):
    unit = file["positions"].attrs["unit"]
    del file["positions"]
    file["positions"] = np.full((5, 4, 3), b"far")
    file["positions"].attrs["unit"] = unit


def _words_for_numbers(file):
    del file["atomic_numbers"]
    file["atomic_numbers"] = np.full(4, b"C")


def _group_for_masses(file):
    del file["masses"]
    file.create_group("masses").attrs["unit"] = "electron_mass"


def _weights(values):
    def damage(file):
        file["weight"][:] = values

    return damage


def _attribute(name, value):
    def damage(file):
        file.attrs[name] = value

    return damage


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (_words_for_positions, "`positions` of .* must hold numbers"),
        (_words_for_numbers, "`atomic_numbers` of .* must be whole numbers"),
        (_group_for_masses, "must hold `masses` with a `unit`"),
        (_weights([1, 2, -0.5, 1, 1]), "`weight` of .* must not be negative .* smallest is -0.5"),
        (_weights(0.0), "`weight` of .* its sum positive"),
        (_weights([1, 2, np.nan, 1, 1]), "`weight` of .* must be finite"),
        (_attribute("state", "abc"), "`state` of .* must be a whole number from 0, but is 'abc'"),
        (_attribute("state", -1), "`state` of .* must be a whole number from 0, but is -1"),
        (_attribute("state", [0, 1]), "`state` of .* must be a whole number from 0"),
        (_attribute("diabatic_state", 0.5), "`diabatic_state` of .* must be a whole number from 0"),
        (_attribute("temperature_kelvin", np.nan), "`temperature_kelvin` of .* must be a finite number"),
        (_without_unit, "must hold `momenta` with a `unit`"),
        (_wrong_unit, "must measure mass"),
        (_without_weight, "must hold `weight`"),
        (_not_finite, "`positions` of .* must be finite"),
        (_short, r"`momenta` must have shape \(5, 4, 3\), but has shape \(4, 4, 3\)"),
        (_other_format, "must have format nadyn-initial version 1, but are 'nadyn-dataset'"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_in_one_sentence(tmp_path, damage, sentence):
    path = tmp_path / "initial.h5"
    write_initial_conditions(path, _initial(cartesian=True))
    with h5py.File(path, "r+") as file:
        damage(file)
    with pytest.raises(InputError, match=sentence):
        read_initial_conditions(path)


def test_a_missing_and_a_cut_file_are_refused(tmp_path):
    path = tmp_path / "initial.h5"
    with pytest.raises(InputError, match="must exist, but does not"):
        read_initial_conditions(path)
    write_initial_conditions(path, _initial(cartesian=True))
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(InputError, match="cannot be read; it may be cut short"):
        read_initial_conditions(path)


def test_a_missing_folder_is_refused_before_writing(tmp_path):
    with pytest.raises(InputError, match=r"must exist, but does not\. Create it"):
        write_initial_conditions(tmp_path / "nowhere" / "initial.h5", _initial(cartesian=True))
