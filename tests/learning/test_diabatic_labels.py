"""Labels get eigenvectors of one diabatic matrix where their wave functions hang together."""

from dataclasses import dataclass

import numpy as np
import pytest

from nadyn.checks.errors import InputError
from nadyn.data import group_from_arrays
from nadyn.electronic.diabatic.states import Overlaps
from nadyn.electronic.labels import Known, Label, Quality
from nadyn.learning.diabatic import FEWEST, check_diabatic, with_eigenvectors
from nadyn.learning.learn_file import LearnConfiguration, training_settings

OZONE = np.array([[0.0, 0, 0], [2.4, 0, 0.2], [-0.6, 2.3, 0]])


@dataclass
class Silent:
    """A source that compares nothing."""

    multiplicities: tuple[int, ...] = (1, 1)
    name: str = "teacher"
    theory: str = "a matrix"
    atomic_numbers: tuple[int, ...] = (8, 7, 16)
    charge: int = 0
    gives: frozenset[str] = frozenset()

    def label(self, positions, near=()):
        return None


class Source(Silent):
    """Two states of three atoms with a known matrix."""

    def linked_overlaps(self, known, links, order=None):
        vectors = np.array([one.label.memory["vectors"] for one in known])
        between = vectors[links.first].swapaxes(1, 2) @ vectors[links.second]
        return Overlaps(between, between)


def labels(n, forgotten=0):
    generator = np.random.default_rng(1)
    positions = OZONE + 0.2 * generator.standard_normal((n, 3, 3))
    x = positions[:, 0, 0] - positions[:, 1, 0] + 2.4
    matrix = np.array([[x * 0.1, 0.02 + 0 * x], [0.02 + 0 * x, -0.1 * x]]).transpose(2, 0, 1)
    energies, vectors = np.linalg.eigh(matrix)
    vectors = vectors * generator.choice([-1.0, 1.0], size=(n, 1, 2))
    known = [
        Known(
            positions[k],
            Label(Quality.TRUSTED, "", energies[k], memory={"vectors": vectors[k]} if k >= forgotten else {}),
        )
        for k in range(n)
    ]
    group = group_from_arrays("ozone", atomic_numbers=[8, 7, 16], positions=positions, energies=energies)
    return known, group, matrix


def test_eigenvectors_are_those_of_the_matrix_up_to_one_rotation():
    known, group, matrix = labels(120)
    found = with_eigenvectors(Source(), known, group)
    assert found.basis == "2x0e"
    assert found.n_known == 120
    own = (found.group.eigenvectors * group.energies[:, None, :]) @ found.group.eigenvectors.swapaxes(1, 2)
    # One rotation lays all of them on the true ones, with any sign of the states of the first.
    first = np.linalg.eigh(matrix[0])[1]
    turns = [found.group.eigenvectors[0] @ (first * [1.0, sign]).T for sign in (1.0, -1.0)]
    assert min(np.abs(own - turn @ matrix @ turn.T).max() for turn in turns) < 1e-5
    assert "120 of 120 labels" in found.in_words()


@dataclass
class Symmetric(Silent):
    """Two states of water of which one or the other changes its sign when the hydrogens change places."""

    atomic_numbers: tuple[int, ...] = (8, 1, 1)
    signs: tuple[float, float] = (-1.0, 1.0)

    def linked_overlaps(self, known, links, order=None):
        vectors = np.array([one.label.memory["vectors"] for one in known])
        there = vectors if order is None else np.array(self.signs)[:, None] * vectors
        between = vectors[links.first].swapaxes(1, 2) @ there[links.second]
        return Overlaps(between, between)


@pytest.mark.parametrize("signs", [(-1.0, 1.0), (1.0, -1.0)])
def test_labels_of_exchanged_geometries_agree_whatever_the_sign_of_all_states(signs):
    generator = np.random.default_rng(2)
    water = np.array([[0.0, 0, 0], [1.8, 0, 0], [-0.5, 1.7, 0]])
    positions = water + 0.2 * generator.standard_normal((150, 3, 3))
    one, two = (np.linalg.norm(positions[:, k] - positions[:, 0], axis=1) for k in (1, 2))
    matrix = np.zeros((150, 2, 2))
    # Bonds of equal length are the lowest.
    stretched = 0.3 * ((one - 1.8) ** 2 + (two - 1.8) ** 2)
    matrix[:, 0, 0], matrix[:, 1, 1] = stretched, stretched + 0.03
    matrix[:, 0, 1] = matrix[:, 1, 0] = 0.2 * (one - two)
    energies, vectors = np.linalg.eigh(matrix)
    known = [
        Known(positions[k], Label(Quality.TRUSTED, "", energies[k], memory={"vectors": vectors[k]}))
        for k in range(150)
    ]
    group = group_from_arrays("water", atomic_numbers=[8, 1, 1], positions=positions, energies=energies)
    found = with_eigenvectors(Symmetric(signs=signs), known, group)
    assert found.basis in ("1x0e[H1,H2] + 1x0e", "1x0e + 1x0e[H1,H2]")
    assert found.n_known == 150
    own = (found.group.eigenvectors * energies[:, None, :]) @ found.group.eigenvectors.swapaxes(1, 2)
    assert np.abs(np.abs(own) - np.abs(matrix)).max() < 1e-6
    side = np.sign(own[:, 0, 1] * matrix[:, 0, 1])[np.abs(matrix[:, 0, 1]) > 1e-3]
    assert (side == side[0]).all()


def test_labels_that_remember_nothing_have_none():
    known, group, _ = labels(100, forgotten=7)
    found = with_eigenvectors(Source(), known, group)
    assert np.isnan(found.group.eigenvectors[:7]).all()
    assert np.isfinite(found.group.eigenvectors[7:]).all()


def test_few_labels_have_none():
    known, group, _ = labels(FEWEST - 1)
    found = with_eigenvectors(Source(), known, group)
    assert found.group.eigenvectors is None
    assert found.n_known == 0


def test_a_source_without_wave_functions_is_refused():
    with pytest.raises(InputError, match="`diabatic` must be false for a source that does not compare"):
        check_diabatic(Silent())
    with pytest.raises(InputError, match="`diabatic` must be false for states of several multiplicities"):
        check_diabatic(Source((1, 3)))
    check_diabatic(Source())


def test_the_basis_of_the_labels_is_that_of_the_models_unless_another_is_asked_for():
    config = LearnConfiguration(source={"pyscf": {}}, diabatic=True)
    found = training_settings(config, 3, final=True, basis="1x0e[H1,H2] + 2x0e")
    assert found["model"]["basis"] == "1x0e[H1,H2] + 2x0e"
    assert found["model"]["properties"] == []
    assert found["weights"]["diabatic"] == 2.0
    assert found["label_noise"] == {"diabatic_ev": 0.1}
    assert "properties" not in training_settings(config, 3, final=True, basis="3x0e")["model"]
    own = LearnConfiguration(source={"pyscf": {}}, final={"model": {"basis": "3x0e + 1x1o"}})
    other = training_settings(own, 3, final=True, basis="3x0e")
    assert other["model"]["basis"] == "3x0e + 1x1o"
    assert "diabatic" not in other["weights"]
    assert "label_noise" not in other
