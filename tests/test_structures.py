"""Elements, masses, distances and the start geometry."""

import ase.data
import numpy as np
import pytest
from scipy.spatial.distance import pdist

from nadyn import structures
from nadyn.checks.errors import InputError
from nadyn.structures.isotopes import ISOTOPES
from nadyn.units import BOHR_PER_ANGSTROM, ELECTRON_MASS_PER_DALTON

WATER = "3\nwater\nO 0.0 0.0 0.1173\nh 0.0 0.7572 -0.4692\n1 0.0 -0.7572 -0.4692 extra\n"


def test_symbols_are_those_of_ase():
    assert [row[0] for row in ISOTOPES] == ase.data.chemical_symbols[1 : len(ISOTOPES) + 1]


def test_a_mass_is_near_its_mass_number_and_near_the_average_mass():
    for number, (_, mass_number, mass) in enumerate(ISOTOPES, start=1):
        assert abs(mass - mass_number) < 0.1
        # Tellurium is furthest: 130 against an average of 127.6.
        assert abs(mass - ase.data.atomic_masses[number]) < 2.4


@pytest.mark.parametrize(
    ("name", "mass"),
    # National Institute of Standards and Technology, Atomic Weights and Isotopic Compositions.
    [("H", 1.00782503223), ("C", 12.0), ("N", 14.00307400443), ("O", 15.99491461957), ("F", 18.99840316273)],
)
def test_masses_are_those_of_the_most_abundant_isotope(name, mass):
    in_dalton = structures.masses([structures.atomic_number(name)])[0] / ELECTRON_MASS_PER_DALTON
    assert in_dalton == pytest.approx(mass, abs=2e-8)


def test_a_mass_can_be_replaced_by_element():
    heavy = structures.masses(np.array([8, 1, 1]), {"H": 2.01410177812})
    light = structures.masses(np.array([8, 1, 1]))
    assert heavy[0] == light[0]
    assert heavy[1:] == pytest.approx(2.01410177812 * ELECTRON_MASS_PER_DALTON)


@pytest.mark.parametrize(
    "call",
    [
        lambda: structures.masses([1, 97]),
        lambda: structures.masses([0]),
        lambda: structures.masses([1], {"H": -1.0}),
        lambda: structures.masses([1], {"Xx": 1.0}),
        lambda: structures.atomic_number("Qq"),
    ],
)
def test_an_unknown_element_or_an_impossible_mass_is_refused(call):
    with pytest.raises(InputError, match="must"):
        call()


def test_distances_of_all_pairs_are_those_of_scipy():
    positions = np.random.default_rng(1).normal(size=(4, 7, 3))
    expected = [pdist(frame) for frame in positions]
    np.testing.assert_allclose(structures.pair_distances(positions), expected)


@pytest.mark.parametrize(
    ("numbers", "name"),
    [
        ([6, 9, 1, 6, 6, 9, 9, 1, 6, 9, 9, 9], "C4H2F6"),
        ([7, 1, 1, 1], "NH3"),
        ([6], "C"),
        ([16, 8, 8], "SO2"),
        ([8, 1, 1], "H2O"),
        ([17, 11], "NaCl"),
        ([1, 7], "NH"),
    ],
)
def test_formulas_are_written_as_chemists_do(numbers, name):
    assert structures.formula(np.array(numbers)) == name


@pytest.mark.parametrize(
    ("numbers", "dalton", "name"),
    [
        ([7, 1, 1, 1], [14.0031, 1.0078, 2.0141, 1.0078], "NH2D"),
        ([6, 1, 1, 1, 1], [13.0034, 1.0078, 2.0141, 2.0141, 2.0141], "[13]CHD3"),
        ([6, 6, 1, 1], [13.0034, 12.0, 3.0160, 1.0078], "C[13]CHT"),
        ([1, 8, 1], [2.0141, 17.9992, 2.0141], "D2[18]O"),
        # Means over isotopes, and masses that no isotope has, are the element's own.
        ([35, 1, 6], [79.904, 1.008, 12.011], "CHBr"),
        ([32, 1], [72.63, 10.0], "GeH"),
    ],
)
def test_a_formula_tells_isotopes_apart(numbers, dalton, name):
    masses = np.array(dalton) * ELECTRON_MASS_PER_DALTON
    assert structures.formula(numbers, masses) == name
    assert structures.formula(numbers, structures.masses(numbers)) == structures.formula(numbers)


def test_a_geometry_is_read_in_bohr(tmp_path):
    path = tmp_path / "water.xyz"
    path.write_text(WATER)
    water = structures.read_xyz(path)
    assert water.atomic_numbers.tolist() == [8, 1, 1]
    np.testing.assert_allclose(water.positions[2], np.array([0.0, -0.7572, -0.4692]) * BOHR_PER_ANGSTROM)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "must begin with the number of atoms"),
        ("O 0 0 0\n", "must begin with the number of atoms"),
        ("4" + WATER[1:], "must hold 4 atoms, but ends after 3"),
        (WATER + WATER, "must hold one geometry"),
        (WATER.replace("0.1173", "oops"), "line 3 must read `symbol x y z`"),
        (WATER.replace("0.1173", "nan"), "line 3 must read `symbol x y z`"),
        (WATER.replace("0.0 0.0 0.1173", "0.0 0.1173"), "line 3 must read"),
        (WATER.replace("O", "Oz"), "line 3 must begin with an element, but 'Oz'"),
        (WATER.replace("-0.7572 -0.4692 extra", "0.7572 -0.4692"), "1 and 2 are 0.000 angstrom apart"),
    ],
)
def test_a_file_that_is_no_geometry_is_refused(tmp_path, text, sentence):
    path = tmp_path / "start.xyz"
    path.write_text(text)
    with pytest.raises(InputError, match=sentence):
        structures.read_xyz(path)


def test_a_missing_or_binary_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="must exist"):
        structures.read_xyz(tmp_path / "none.xyz")
    (tmp_path / "binary.xyz").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(InputError, match="not text"):
        structures.read_xyz(tmp_path / "binary.xyz")
