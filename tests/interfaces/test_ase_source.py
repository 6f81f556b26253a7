"""Calculators of ASE as label sources."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.calculators.calculator import Calculator, SCFError
from ase.calculators.emt import EMT
from ase.units import Bohr, Hartree

from nadyn.checks.errors import InputError
from nadyn.electronic.labels import LabelSource, Quality
from nadyn.interfaces.ase_source import AseSection

WATER = molecule("H2O")
POSITIONS = WATER.positions / Bohr
HERE = __name__


class ChargeAndSpin(Calculator):
    """Energy = 10 charge + unpaired electrons."""

    implemented_properties = ("energy",)

    def calculate(self, atoms=None, properties=("energy",), system_changes=()):
        super().calculate(atoms, properties, system_changes)
        charge = int(sum(self.atoms.get_initial_charges()))
        spin = int(sum(self.atoms.get_initial_magnetic_moments()))
        self.results = {"energy": 10.0 * charge + spin}


class Remembers(Calculator):
    """Energy = number of calls of this calculator."""

    implemented_properties = ("energy",)
    calls = 0

    def calculate(self, atoms=None, properties=("energy",), system_changes=()):
        super().calculate(atoms, properties, system_changes)
        self.calls += 1
        self.results = {"energy": float(self.calls)}


class OfNothing(Exception):
    """Derives from no usual error."""


class Fails(Calculator):
    """Raises, in the way its option says."""

    implemented_properties = ("energy", "forces")

    def __init__(self, way="scf"):
        super().__init__()
        self.way = way

    def calculate(self, atoms=None, properties=("energy",), system_changes=()):
        raise {"scf": SCFError("no convergence"), "own": OfNothing("of its own"), "empty": ValueError()}[
            self.way
        ]


class NotANumber(Calculator):
    """Forces of one atom are NaN."""

    implemented_properties = ("energy", "forces")

    def calculate(self, atoms=None, properties=("energy",), system_changes=()):
        super().calculate(atoms, properties, system_changes)
        forces = np.zeros((len(self.atoms), 3))
        forces[1] = np.nan
        self.results = {"energy": 1.0, "forces": forces}


def _source(atoms=WATER, **section):
    return AseSection(**section).source(atoms.numbers.tolist())


def test_emt_gives_the_energy_and_the_forces_of_ase_in_atomic_units():
    source = _source(calculator="emt")
    label = source.label(POSITIONS)
    atoms = Atoms(WATER.numbers, WATER.positions, calculator=EMT())
    np.testing.assert_allclose(label.energies, [atoms.get_potential_energy() / Hartree], rtol=1e-7)
    np.testing.assert_allclose(label.forces, atoms.get_forces()[None] / (Hartree / Bohr), rtol=1e-7)
    assert label.quality == Quality.TRUSTED
    assert label.interstate_couplings is None
    assert isinstance(source, LabelSource)
    assert (source.gives, source.multiplicities) == ({"forces"}, (1,))


def test_forces_of_xtb_are_minus_the_derivative_of_its_energies():
    pytest.importorskip("tblite")
    source = _source(molecule("H2"), calculator="tblite", options={"method": "GFN1-xTB", "accuracy": 0.01})
    start, step = np.array([[0.0, 0.0, 0.0], [0.3, 0.2, 1.6]]), 1e-3
    label = source.label(start)
    moved = np.zeros((2, 3))
    moved[1, 2] = step
    slope = (source.label(start + moved).energies - source.label(start - moved).energies) / (2 * step)
    assert label.forces[0, 1, 2] == pytest.approx(-slope[0], rel=1e-4)
    assert "GFN1-xTB" in source.theory


def test_charge_and_spin_reach_the_calculator_as_ase_hands_them_over():
    source = _source(calculator=f"{HERE}.ChargeAndSpin", charge=1, multiplicity=2)
    assert source.label(POSITIONS).energies * Hartree == pytest.approx([11.0])
    assert (source.charge, source.multiplicities, source.gives) == (1, (2,), frozenset())


def test_a_label_does_not_depend_on_those_before_it():
    source = _source(calculator=f"{HERE}.Remembers")
    first = [source.label(POSITIONS * scale).energies[0] for scale in (1.0, 1.1)]
    assert first[0] == first[1]


@pytest.mark.parametrize(
    ("way", "reason"), [("scf", "no convergence"), ("own", "OfNothing: of its own"), ("empty", "ValueError")]
)
def test_whatever_a_calculator_raises_makes_a_failed_label_with_the_reason(way, reason):
    label = _source(calculator=f"{HERE}.Fails", options={"way": way}).label(POSITIONS)
    assert label.quality == Quality.FAILED
    assert reason in label.reason
    assert np.isnan(label.energies).all()


def test_half_of_a_force_makes_a_failed_label():
    label = _source(calculator=f"{HERE}.NotANumber").label(POSITIONS)
    assert label.quality == Quality.FAILED
    assert "`forces` must be finite, but entry 0 holds nan" in label.reason


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        ({"calculator": "no_such_calculator"}, "a name that ASE knows"),
        ({"calculator": "no_such_package.Thing"}, "Install no_such_package"),
        ({"calculator": "ase.calculators.emt.ETM"}, "'ETM' is not there"),
        ({"calculator": f"{HERE}.Fails", "options": {"wey": 1}}, "must take its `options`"),
        ({"calculator": "collections.OrderedDict"}, "is none"),
    ],
)
def test_a_calculator_that_is_none_is_refused_in_one_sentence(section, sentence):
    with pytest.raises(InputError, match=sentence):
        _source(**section)


def test_a_missing_module_is_an_error_and_no_failed_label(monkeypatch):
    source = _source(calculator=f"{HERE}.NeedsMore")
    with pytest.raises(InputError, match="not_installed_anywhere"):
        source.label(POSITIONS)


class NeedsMore(Calculator):
    """Imports what is not there when it is asked."""

    implemented_properties = ("energy",)

    def calculate(self, atoms=None, properties=("energy",), system_changes=()):
        import not_installed_anywhere  # noqa: F401
