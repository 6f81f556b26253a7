"""Vibronic coupling Hamiltonians and their parameter files."""

import json

import pytest
import torch

from nadyn.checks.errors import InputError
from nadyn.models.analytic import analytic_model, pyrazine, read_vibronic_model
from nadyn.units import HARTREE_PER_EV

THREE_STATES = {
    "name": "three",
    "unit": "eV",
    "modes": ["a", "b"],
    "states": ["X", "Y", "Z"],
    "frequencies": {"b": 0.2, "a": 0.1},
    "constant": {"X,X": -1.0, "Z,Z": 2.0, "Z,X": 0.05},
    "linear": {"Y,Y": {"a": 0.3}, "Y,Z": {"b": -0.4}},
    "quadratic": {"X,X": {"a,a": 0.01, "b,a": 0.02}, "X,Y": {"b,b": 0.03}},
}


def _write(folder, content):
    path = folder / "parameters.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_pyrazine_is_the_published_polynomial():
    """H of Raab et al. written out term by term, Q = (10a, 6a, 1, 9a), energies in eV.

    Products of two different modes occur twice in the sums of the paper: with one of each, the exact
    populations differ by up to 0.1 from the published ones, with two they agree (tests/quantum).
    """
    coordinates = torch.tensor([[0.7, -1.2, 0.4, 1.9], [-0.3, 2.2, -1.7, 0.6]], dtype=torch.float64)
    hamiltonian = pyrazine(4).evaluate(coordinates[:, :, None]).hamiltonian / HARTREE_PER_EV
    for matrix, (q10a, q6a, q1, q9a) in zip(hamiltonian, coordinates.tolist(), strict=True):
        oscillators = (0.1139 * q10a**2 + 0.0739 * q6a**2 + 0.1258 * q1**2 + 0.1525 * q9a**2) / 2
        s1 = -0.423 + 0.09806 * q6a + 0.05033 * q1 + 0.14521 * q9a
        s1 += -0.01159 * q10a**2 + 2 * (0.00108 * q6a * q1 - 0.00474 * q1 * q9a + 0.00204 * q6a * q9a)
        s2 = 0.423 - 0.13545 * q6a + 0.17100 * q1 + 0.03746 * q9a
        s2 += -0.01159 * q10a**2 + 2 * (-0.00298 * q6a * q1 - 0.00155 * q1 * q9a + 0.00189 * q6a * q9a)
        coupling = 0.20804 * q10a + 2 * q10a * (0.00553 * q1 + 0.01000 * q6a + 0.00126 * q9a)
        expected = torch.tensor(
            [[oscillators + s1, coupling], [coupling, oscillators + s2]], dtype=torch.float64
        )
        torch.testing.assert_close(matrix, expected)


def test_the_mass_of_a_dimensionless_coordinate_is_one_over_its_frequency():
    frequencies = torch.tensor([0.1139, 0.0739, 0.1258, 0.1525], dtype=torch.float64) * HARTREE_PER_EV
    torch.testing.assert_close(pyrazine(4).masses, 1 / frequencies)


def test_any_number_of_states_and_every_kind_of_term(tmp_path):
    model = read_vibronic_model(_write(tmp_path, THREE_STATES))
    a, b = 0.6, -1.1
    position = torch.tensor([a, b], dtype=torch.float64)[None, :, None]
    common = 0.05 * a * a + 0.1 * b * b
    expected = torch.tensor(
        [
            [common - 1 + 0.01 * a * a + 0.02 * a * b, 0.03 * b * b, 0.05],
            [0.03 * b * b, common + 0.3 * a, -0.4 * b],
            [0.05, -0.4 * b, common + 2],
        ],
        dtype=torch.float64,
    )
    assert model.n_states == 3
    torch.testing.assert_close(model.evaluate(position).hamiltonian[0] / HARTREE_PER_EV, expected)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"unit": "bohr"}, "must measure energy"),
        ({"frequencies": {"a": 0.1}}, "must name every mode"),
        ({"frequencies": {"a": 0.1, "b": -0.2}}, "must be positive"),
        ({"frequencies": {"a": 0.1, "b": float("nan")}}, "must be"),
        ({"linear": {"X,X": {"c": 0.1}}}, "must name 1 of the modes a, b, but one is 'c'"),
        ({"linear": {"X": {"a": 0.1}}}, "must name 2 of the states X, Y, Z, but one is 'X'"),
        ({"quadratic": {"X,X": {"a,b": 0.1, "b,a": 0.2}}}, "must give each term once"),
        ({"constant": {"X,Y": 0.1, "Y,X": 0.1}}, "must give each term once"),
        ({"modes": ["a", "a"]}, "different names"),
        ({"constant": {"X,X": float("inf")}}, "must be a finite number"),
        ({"linaer": {}}, "Did you mean `linear`"),
    ],
)
def test_parameters_that_make_no_sense_are_refused_in_one_sentence(tmp_path, change, sentence):
    with pytest.raises(InputError, match=sentence):
        read_vibronic_model(_write(tmp_path, THREE_STATES | change))


def test_a_file_that_is_no_json_or_missing_is_refused(tmp_path):
    with pytest.raises(InputError, match="must be JSON"):
        read_vibronic_model(_write(tmp_path, "{"))
    with pytest.raises(InputError, match="must exist"):
        read_vibronic_model(tmp_path / "nothing.json")


def test_only_the_four_mode_pyrazine_exists():
    with pytest.raises(InputError, match="must be 4"):
        pyrazine(24)


def test_models_are_found_by_name(tmp_path):
    assert analytic_model({"name": "tully", "variant": 2}).name == "tully-2"
    assert analytic_model({"name": "pyrazine", "variant": 4}).name == "pyrazine-4"
    file = _write(tmp_path, THREE_STATES)
    assert analytic_model({"name": "vibronic", "file": str(file)}).name == "three"


@pytest.mark.parametrize(
    ("mapping", "sentence"),
    [
        ({}, "must have a `name`.*pyrazine.*tully.*vibronic"),
        ({"name": "tuly"}, "Did you mean tully.*Known: .*pyrazine.*tully"),
        ({"name": 3}, "but is 3"),
        ({"name": "tully"}, "`variant` of model tully must be given"),
        ({"name": "tully", "variant": 1, "mass": 2000}, "'mass' is not. Known: variant"),
    ],
)
def test_unknown_names_and_options_are_answered_with_the_known_ones(mapping, sentence):
    with pytest.raises(InputError, match=sentence):
        analytic_model(mapping)
