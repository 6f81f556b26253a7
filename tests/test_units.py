"""Constants against scipy's, and the parser of unit names."""

import pytest
from scipy import constants

from nadyn import units
from nadyn.checks.errors import InputError

HARTREE_J = constants.value("Hartree energy")
BOHR_M = constants.value("Bohr radius")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ELECTRONVOLT_PER_HARTREE", constants.value("Hartree energy in eV")),
        ("ANGSTROM_PER_BOHR", BOHR_M * 1e10),
        ("FEMTOSECOND_PER_AU", constants.value("atomic unit of time") * 1e15),
        ("ELECTRON_MASS_PER_DALTON", constants.atomic_mass / constants.electron_mass),
        ("KELVIN_PER_HARTREE", HARTREE_J / constants.Boltzmann),
        ("INVERSE_CM_PER_HARTREE", constants.value("hartree-inverse meter relationship") / 100),
        ("KCAL_PER_MOL_PER_HARTREE", HARTREE_J * constants.Avogadro / constants.calorie / 1000),
        ("KJ_PER_MOL_PER_HARTREE", HARTREE_J * constants.Avogadro / 1000),
        ("DEBYE_PER_AU", constants.elementary_charge * BOHR_M * constants.c / 1e-21),
        ("GIGAPASCAL_PER_AU", HARTREE_J / BOHR_M**3 * 1e-9),
    ],
)
def test_constants_agree_with_scipy(name, value):
    # scipy ships CODATA 2018 or 2022 by version; they differ by up to 1e-9 relative, a wrong digit by more.
    assert getattr(units, name) == pytest.approx(value, rel=2e-9)


@pytest.mark.parametrize(
    ("unit", "dimension", "value"),
    [
        ("hartree", "energy", 1.0),
        ("EV", "energy", units.HARTREE_PER_EV),
        ("meV", "energy", 1e-3 * units.HARTREE_PER_EV),
        ("kcal/mol", "energy", 1 / 627.509474),
        ("kJ/mol", "energy", 1 / 2625.49964),
        ("cm-1", "energy", 1 / 219474.6314),
        ("angstrom", "length", units.BOHR_PER_ANGSTROM),
        ("Å", "length", units.BOHR_PER_ANGSTROM),
        ("hartree/bohr", "force", 1.0),
        ("eV/angstrom", "force", 1 / units.EV_PER_ANGSTROM_PER_AU),
        ("eV / Ångström", "force", 1 / units.EV_PER_ANGSTROM_PER_AU),
        ("kcal/mol/angstrom", "force", units.ANGSTROM_PER_BOHR / 627.509474),
        ("hartree/angstrom", "force", units.ANGSTROM_PER_BOHR),
        ("hartree*bohr^-1", "force", 1.0),
        ("debye", "dipole", 1 / 2.541746473),
        ("e*angstrom", "dipole", units.BOHR_PER_ANGSTROM),
        ("eV/angstrom^3", "stress", units.HARTREE_PER_EV * units.ANGSTROM_PER_BOHR**3),
        ("eV/angstrom**3", "stress", units.HARTREE_PER_EV * units.ANGSTROM_PER_BOHR**3),
        ("GPa", "stress", 1 / 29421.01576),
        ("fs", "time", 41.341373336),
        ("electron_mass*bohr/au_time", "momentum", 1.0),
        ("1", "none", 1.0),
    ],
)
def test_units_are_read_by_name(unit, dimension, value):
    assert units.to_atomic_units(unit, dimension) == pytest.approx(value, rel=1e-8)


@pytest.mark.parametrize(
    "unit", ["", "  ", "furlong", "eV/", "eV//angstrom", "eV^x", "eV angstrom", "/", "kcal"]
)
def test_an_unknown_unit_is_refused(unit):
    with pytest.raises(InputError, match="unit"):
        units.to_atomic_units(unit, "energy")


@pytest.mark.parametrize(
    ("unit", "dimension"), [("eV", "force"), ("angstrom", "energy"), ("eV/angstrom", "stress")]
)
def test_a_unit_of_something_else_is_refused(unit, dimension):
    with pytest.raises(InputError, match=f"must measure {dimension}"):
        units.to_atomic_units(unit, dimension)
