"""A function of the user as a label source."""

import numpy as np
import pytest

from nadyn.checks.errors import InputError
from nadyn.electronic.labels import LabelSource, Quality
from nadyn.interfaces.python_source import PythonSection
from nadyn.units import ANGSTROM_PER_BOHR, ELECTRONVOLT_PER_HARTREE

NUMBERS = (8, 1, 1, 6)
N_ATOMS = len(NUMBERS)
RANDOM = np.random.default_rng(3)
POSITIONS = RANDOM.normal(size=(N_ATOMS, 3)) * 3.0

pytestmark = pytest.mark.usefixtures("unchecked_annotations")


def two_states(positions):
    """Two harmonic states, the second 1 above the first; forces in the units of the positions."""
    energy = 0.5 * (positions**2).sum()
    return {
        "energies": [energy, energy + 1.0],
        "forces": np.stack([-positions, -positions]),
        "interstate_couplings": positions[None],
        "dipoles": np.ones((2, 2, 3)),
    }


def upside_down(positions):
    """The states of `two_states` in the other order, with forces that tell them apart."""
    answer = two_states(positions)
    return {"energies": answer["energies"][::-1], "forces": np.stack([-2 * positions, -positions])}


def mixed_spins(positions):
    """A triplet below both singlets, and a coupling between everything."""
    return {
        "energies": [0.3, 0.5, 0.1],
        "forces": np.zeros((3, N_ATOMS, 3)),
        "interstate_couplings": np.ones((3, N_ATOMS, 3)),
    }


def doubts(positions):
    return {"energies": [1.0], "forces": np.zeros((1, N_ATOMS, 3)), "doubt": "the spin is contaminated"}


def raises(positions):
    raise RuntimeError("no convergence in 50 cycles")


def not_a_number(positions):
    return {"energies": [1.0, np.nan], "forces": np.zeros((2, N_ATOMS, 3))}


def only_the_first_force(positions):
    forces = np.zeros((2, N_ATOMS, 3))
    forces[1] = np.nan
    return {"energies": [1.0, 2.0], "forces": forces}


def with_options(positions, shift=0.0):
    return {"energies": [shift], "forces": np.zeros((1, N_ATOMS, 3))}


def gradients(positions):
    return {"energies": [1.0], "gradients": np.zeros((1, N_ATOMS, 3))}


def no_mapping(positions):
    return 1.0


def one_axis_less(positions):
    return {"energies": [1.0], "forces": np.zeros((N_ATOMS, 3))}


def words(positions):
    return {"energies": ["low"], "forces": np.zeros((1, N_ATOMS, 3))}


def no_forces(positions):
    return {"energies": [1.0]}


def more_than_said(positions):
    return {"energies": [1.0], "forces": np.zeros((1, N_ATOMS, 3)), "dipoles": np.zeros((1, 1, 3))}


def _source(function, n_states=1, **section):
    given = {"theory": "test", "multiplicities": (1,) * n_states} | section
    return PythonSection(function=f"{__name__}:{function}", **given).source(NUMBERS)


def test_arrays_come_back_in_atomic_units_from_any_unit():
    source = _source(
        "two_states",
        2,
        length_unit="angstrom",
        energy_unit="eV",
        gives=("forces", "interstate_couplings", "dipoles"),
    )
    label = source.label(POSITIONS)
    angstrom = POSITIONS * ANGSTROM_PER_BOHR
    energy = 0.5 * (angstrom**2).sum()
    np.testing.assert_allclose(label.energies, np.array([energy, energy + 1.0]) / ELECTRONVOLT_PER_HARTREE)
    force = -angstrom / (ELECTRONVOLT_PER_HARTREE / ANGSTROM_PER_BOHR)
    np.testing.assert_allclose(label.forces, np.stack([force, force]))
    np.testing.assert_allclose(label.interstate_couplings, -force[None])
    np.testing.assert_allclose(label.dipoles, np.full((2, 2, 3), 1.0 / ANGSTROM_PER_BOHR))
    assert label.quality == Quality.TRUSTED
    assert isinstance(source, LabelSource)


def test_states_are_sorted_with_all_that_belongs_to_them():
    label = _source("upside_down", 2).label(POSITIONS)
    assert label.energies[1] - label.energies[0] == pytest.approx(1.0)
    np.testing.assert_allclose(label.forces, np.stack([-POSITIONS, -2 * POSITIONS]))


def test_states_of_different_spin_keep_their_order_and_have_no_coupling():
    source = _source("mixed_spins", multiplicities=(1, 1, 3), gives=("forces", "interstate_couplings"))
    label = source.label(POSITIONS)
    assert label.energies.tolist() == [0.3, 0.5, 0.1]
    assert np.isfinite(label.interstate_couplings).all(axis=(1, 2)).tolist() == [True, False, False]


def test_a_function_from_a_file_gets_its_options(tmp_path):
    (tmp_path / "surfaces.py").write_text(
        "from dataclasses import dataclass\n"
        "import numpy as np\n"
        "@dataclass(frozen=True)\n"
        "class Shift:\n"
        "    value: float\n"
        "def label(positions, shift):\n"
        "    return {'energies': [Shift(shift).value], 'forces': np.zeros((1, *positions.shape))}\n"
    )
    section = PythonSection(function="surfaces.py:label", theory="shifted", options={"shift": 0.25})
    assert section.beside(tmp_path).source(NUMBERS).label(POSITIONS).energies.tolist() == [0.25]


def test_a_force_may_be_unknown_as_a_whole():
    label = _source("only_the_first_force", 2).label(POSITIONS)
    assert label.quality == Quality.TRUSTED
    assert np.isfinite(label.forces).all(axis=(1, 2)).tolist() == [True, False]


@pytest.mark.parametrize(
    ("function", "n_states", "quality", "reason"),
    [
        ("doubts", 1, Quality.DOUBTFUL, "the spin is contaminated"),
        ("raises", 1, Quality.FAILED, "RuntimeError: no convergence in 50 cycles"),
        ("not_a_number", 2, Quality.FAILED, "`energies` must be finite, but entry 1 holds nan."),
    ],
)
def test_a_label_says_why_it_is_not_trusted(function, n_states, quality, reason):
    label = _source(function, n_states).label(POSITIONS)
    assert (label.quality, label.reason) == (quality, reason)


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        ("gradients", "minus the gradients"),
        ("no_mapping", "must return a mapping with `energies`, but returns float"),
        ("one_axis_less", r"must have shape \(1, 4, 3\), but has shape \(4, 3\).*forces\[None\]"),
        ("words", "`energies` as an array of numbers"),
        ("no_forces", "must return `forces`, but does not"),
        ("more_than_said", r"gives: \[dipoles, forces\]"),
        ("two_states", r"must have shape \(1\), but has shape \(2,\). One number a state"),
    ],
)
def test_what_is_wrong_at_every_geometry_is_one_sentence(function, sentence):
    source = _source(function)
    with pytest.raises(InputError, match=sentence):
        source.label(POSITIONS)


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        ({"function": "surfaces.py"}, "Try surfaces.py:label"),
        ({"function": "nowhere.py:label"}, "must exist"),
        ({"function": "no_such_package:label"}, "Install no_such_package"),
        ({"function": f"{__name__}:no_such_function"}, "is not there"),
        ({"function": f"{__name__}:NUMBERS"}, "must be a function, but"),
        ({"function": f"{__name__}:doubts", "length_unit": "eV"}, "must measure length"),
        ({"function": f"{__name__}:doubts", "gives": ("force",)}, "Did you mean forces"),
        ({"function": f"{__name__}:doubts", "multiplicities": (3, 1)}, "in ascending order"),
    ],
)
def test_a_section_that_cannot_work_is_refused_before_the_first_label(section, sentence):
    with pytest.raises(InputError, match=sentence):
        PythonSection(theory="test", **section).source(NUMBERS)
