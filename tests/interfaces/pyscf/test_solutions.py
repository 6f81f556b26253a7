"""Two solutions of CASSCF at one geometry: the lower one is the label, and a trajectory keeps to its own."""

import numpy as np
import pytest
from pyscf.fci import spin_op

from nadyn.electronic.direct.questions import Question, answer_from
from nadyn.electronic.labels import FollowsSolutions, Known, Quality
from nadyn.interfaces.messages import question_arrays, question_from_arrays
from nadyn.interfaces.pyscf import spin_matrix
from nadyn.interfaces.pyscf.spin_matrix import apply_spin_fast, spin_squared
from nadyn.interfaces.sources import source_from

pytestmark = pytest.mark.usefixtures("unchecked_annotations")

BEFORE = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 3.0]])
HERE = BEFORE + np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.02]])


def lithium_hydride(**more):
    return source_from({"pyscf": {"method": "sa2-casscf(2,2)/sto-3g", **more}}, (3, 1))


@pytest.fixture(scope="module")
def source():
    return lithium_hydride()


@pytest.fixture(scope="module")
def upper():
    """The solution whose second orbital lies across the bond, which symmetry keeps from the lower one."""
    return Known(BEFORE, lithium_hydride(active={"orbitals": [1, 3]}).label(BEFORE))


def test_a_trajectory_keeps_to_its_solution_where_a_label_is_the_lowest(source, upper):
    assert isinstance(source, FollowsSolutions)
    lowest = source.label(HERE, [upper])
    along = source.label_along(HERE, upper, forces=(1,), pairs=())
    assert lowest.quality is Quality.DOUBTFUL and lowest.checks["active_overlap_min"] < 0.1
    assert along.quality is Quality.TRUSTED and along.checks["active_overlap_min"] > 0.99
    assert along.energies.mean() > lowest.energies.mean() + 0.01
    assert "average_energy_from_hartree_fock" not in along.checks
    # The energy of the state goes where its force leads; that of the lowest solution does not.
    led = -0.5 * np.sum((along.forces[1] + upper.label.forces[1]) * (HERE - BEFORE))
    assert along.energies[1] - upper.label.energies[1] == pytest.approx(led, abs=1e-7)
    assert abs(lowest.energies[1] - upper.label.energies[1]) > 100 * abs(led)


def test_only_a_question_on_the_way_is_answered_along(source, upper):
    asked = {"forces": (1,), "parts": True, "compare": True}
    start = answer_from(source, Question(HERE, (upper,), **asked))
    step = answer_from(source, Question(HERE, (upper,), **asked, along=True))
    assert start.label.quality is Quality.DOUBTFUL and step.label.quality is Quality.TRUSTED
    assert np.abs(np.diagonal(step.overlap)).min() > 0.99


def test_a_process_hears_that_a_question_is_on_the_way(upper):
    for along in (True, False):
        question = Question(HERE, (upper,), (1,), ((0, 1),), parts=True, along=along)
        assert question_from_arrays(question_arrays(question)).along is along


def test_a_solution_that_does_not_converge_is_looked_for_from_hartree_fock(source, upper, monkeypatch):
    solve = type(source.average).solve

    def lost(average, mf, orbitals, vectors):
        found = solve(average, mf, orbitals, vectors)
        found.converged = found.converged and vectors is None
        return found

    monkeypatch.setattr(type(source.average), "solve", lost)
    label = source.label_along(HERE, upper, forces=(), pairs=())
    assert label.checks["began_with_neighbour"] == 0.0 and label.quality is Quality.DOUBTFUL
    assert "average_energy_from_neighbour" not in label.checks


@pytest.mark.parametrize("up, down", [(2, 2), (3, 1), (2, 1)])
def test_spin_squared_as_a_matrix_is_that_of_pyscf(up, down, monkeypatch):
    class Solver:
        spin = up - down

    rng = np.random.default_rng(3)
    shape = spin_op.cistring.num_strings(4, up), spin_op.cistring.num_strings(4, down)
    vector = rng.normal(size=shape)
    expected = spin_op.contract_ss(vector, 4, (up, down))
    solver = Solver()
    apply_spin_fast(solver)
    np.testing.assert_allclose(solver.contract_ss(vector, 4, (up, down)), expected, atol=1e-12)
    np.testing.assert_allclose(solver.contract_ss(vector.ravel(), 4, up + down), expected.ravel(), atol=1e-12)
    monkeypatch.setattr(spin_matrix, "_MOST_DETERMINANTS", 5)
    np.testing.assert_allclose(solver.contract_ss(vector, 4, (up, down)), expected, atol=1e-12)
    # Eigenvalues S (S + 1).
    values = np.linalg.eigvalsh(spin_squared(4, up, down))
    spins = 0.5 * (np.sqrt(1.0 + 4.0 * np.abs(values)) - 1.0)
    np.testing.assert_allclose(2.0 * spins, np.round(2.0 * spins), atol=1e-6)
    assert values.min() == pytest.approx(0.25 * (up - down) * (up - down + 2), abs=1e-9)
