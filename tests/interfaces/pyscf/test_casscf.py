"""Labels of state-averaged CASSCF against PySCF's own derivatives, finite differences and exact laws."""

from dataclasses import replace

import numpy as np
import pytest
from pyscf import mcscf, scf
from scipy.spatial.transform import Rotation

from nadyn.electronic.labels import HasOverlaps, Known, LabelSource, Quality
from nadyn.interfaces.pyscf import casscf, gradients, state_average
from nadyn.interfaces.sources import source_from

TIGHT = {"energy_tolerance_hartree": 1e-10, "orbital_tolerance": 1e-6}


def _source(method, numbers, **more):
    return source_from({"pyscf": {"method": method, **TIGHT, **more}}, numbers)


def _central(source, known, direction, step):
    """Energies and overlaps with the middle, at both ends of a short way."""
    ends = [known.positions + sign * step * direction for sign in (1, -1)]
    labels = [source.label(end, [known]) for end in ends]
    assert all(label.quality is Quality.TRUSTED for label in labels)
    return labels, [Known(end, label) for end, label in zip(ends, labels, strict=True)]


def test_a_source_is_a_label_source_with_overlaps(hydrogen):
    source, _ = hydrogen
    assert isinstance(source, LabelSource) and isinstance(source, HasOverlaps)
    assert source.gives == {"forces", "interstate_couplings", "dipoles", "overlaps"}
    assert source.theory.startswith("SA3-CASSCF(2,2)/6-31g")


@pytest.mark.parametrize("fitting", [False, True])
def test_gradients_of_all_states_are_those_of_pyscf(fitting, monkeypatch):
    monkeypatch.setattr(gradients, "_TOLERANCE", 1e-13)
    monkeypatch.setattr(gradients, "_SMALLEST", 1e-14)
    source = _source("sa2-casscf(2,2)/sto-3g", (3, 1), density_fitting=False)
    mol = source.average.molecule(np.array([[0.0, 0.0, 0.0], [0.2, 0.4, 3.0]]))
    mf = scf.RHF(mol)
    if fitting:
        mf = mf.density_fit(auxbasis="weigend")
    mf.conv_tol = 1e-12
    mf.run()
    mc = mcscf.CASSCF(mf, 2, 2).state_average([0.5, 0.5]).fix_spin_(ss=0, shift=1.0)
    mc.conv_tol, mc.conv_tol_grad = 1e-12, 1e-8
    mc.kernel()
    own = gradients.gradients_and_couplings(
        mc, ((1, 1),) * 2, energies=np.array(mc.e_states), couplings=True, translation_factors=False
    )
    theirs = mc.nuc_grad_method()
    theirs.conv_rtol, theirs.conv_atol = 1e-13, 1e-14
    for state in range(2):
        np.testing.assert_allclose(own.gradients[state], theirs.kernel(state=state), rtol=0, atol=1e-7)
    # With density fitting PySCF mixes exact and fitted integrals in its couplings.
    h = mc.nac_method()
    h.conv_rtol, h.conv_atol = 1e-13, 1e-14
    expected = h.kernel(state=(1, 0), use_etfs=False, mult_ediff=True)
    np.testing.assert_allclose(own.couplings[0], expected, rtol=0, atol=1e-4 if fitting else 1e-7)


def test_derivative_integrals_in_blocks_are_those_at_once(monkeypatch):
    from nadyn.interfaces.pyscf import derivative_integrals as integrals

    source = _source("sa2-casscf(2,2)/6-31g", (3, 1))
    mol = source.average.molecule(np.array([[0.0, 0.0, 0.0], [0.2, 0.4, 3.0]]))
    matrices = np.random.default_rng(0).normal(size=(2, mol.nao, mol.nao))
    a, b = matrices + matrices.transpose(0, 2, 1)
    forms = [[integrals.Form(a, b, -0.5)], [integrals.Form(b, b), integrals.Form(a, a, 1.0)]]
    whole = integrals.repulsion_derivatives(mol, forms)
    # The energy of two electron clouds does not change as they move together.
    np.testing.assert_allclose(whole.sum(axis=1), 0.0, atol=1e-9)
    monkeypatch.setattr(integrals, "_BLOCK_BYTES", 1e4)
    np.testing.assert_allclose(integrals.repulsion_derivatives(mol, forms), whole, atol=1e-10)


@pytest.mark.parametrize(
    ("method", "more"),
    [
        ("sa3-casscf(2,2)/6-31g", {}),
        ("sa3-casscf(2,2)/cc-pvdz", {"density_fitting": True}),
        ("sa3-casscf(2,2)/6-31g", {"multiplicities": [1, 1, 3]}),
    ],
)
def test_forces_are_derivatives_of_energies_and_couplings_of_overlaps(method, more, monkeypatch):
    # As they are before translation and rotation are taken out, which overlaps know too.
    monkeypatch.setattr(casscf, "without_rigid_part", lambda vectors, positions: vectors)
    source = _source(method, (1, 1), **more)
    middle = np.array([[0.0, 0.0, 0.0], [0.1, 0.4, 1.9]])
    known = Known(middle, source.label(middle))
    label = known.label
    direction = np.random.default_rng(1).normal(size=(2, 3))
    direction /= np.linalg.norm(direction)
    step = 4e-3
    (ahead, behind), ends = _central(source, known, direction, step)
    slopes = (ahead.energies - behind.energies) / (2 * step)
    np.testing.assert_allclose(-np.einsum("knx,nx->k", label.forces, direction), slopes, atol=2e-6)
    signed = [s * np.sign(np.diag(s)) for s in (source.overlaps(known, end) for end in ends)]
    nac = (signed[0] - signed[1]) / (2 * step)
    np.testing.assert_allclose(nac, -nac.T, atol=1e-5)
    pairs = [(0, 1), (0, 2), (1, 2)]
    for (k, l), h in zip(pairs, label.interstate_couplings, strict=True):
        expected = (h * direction).sum() / (label.energies[l] - label.energies[k])
        if source.multiplicities[k] != source.multiplicities[l]:
            assert nac[k, l] == 0.0 and (h == 0.0).all()
        else:
            # One sign a state serves all pairs: here that of the label itself.
            assert nac[k, l] == pytest.approx(expected, abs=2e-5)


def test_states_at_one_geometry_are_orthonormal(hydrogen, water_cation):
    for source, positions in (hydrogen, water_cation):
        known = Known(positions, source.label(positions))
        n = len(source.multiplicities)
        np.testing.assert_allclose(source.overlaps(known, known), np.eye(n), atol=1e-10)


def test_overlaps_of_a_molecule_with_a_core_turn_round_with_the_order(water_cation):
    source, positions = water_cation
    other = positions + np.random.default_rng(5).normal(0.0, 0.03, positions.shape)
    first = Known(positions, source.label(positions))
    second = Known(other, source.label(other, [first]))
    there = source.overlaps(first, second)
    np.testing.assert_allclose(there, source.overlaps(second, first).T, atol=1e-12)
    assert (np.abs(np.linalg.svd(there, compute_uv=False)) < 1.0).all()
    assert np.abs(np.diag(there)).min() > 0.8


def test_a_turned_molecule_has_turned_labels_whatever_the_frame_of_its_neighbour(water_cation):
    source, positions = water_cation
    known = Known(positions, source.label(positions))
    turn = Rotation.from_rotvec([0.5, -1.1, 2.2]).as_matrix()
    there = positions @ turn + [3.0, -1.0, 2.0]
    label = source.label(there, [known])
    assert label.quality is Quality.TRUSTED
    # The neighbour's orbitals, turned, are the solution already.
    assert label.checks["active_overlap_min"] == pytest.approx(1.0, abs=1e-6)
    assert label.checks["average_energy_from_neighbour"] == pytest.approx(
        label.checks["average_energy_from_hartree_fock"], abs=1e-8
    )
    np.testing.assert_allclose(label.energies, known.label.energies, atol=1e-8)
    np.testing.assert_allclose(label.forces, known.label.forces @ turn, atol=1e-5)
    again = Known(there, label)
    np.testing.assert_allclose(source.overlaps(again, again), np.eye(2), atol=1e-9)


def test_couplings_neither_move_nor_turn_the_molecule(water_cation):
    source, positions = water_cation
    # Two states that differ in symmetry about the plane of three atoms are coupled by rotations only.
    label = source.label(positions)
    assert label.checks["rigid_part_of_couplings"] == pytest.approx(1.0, abs=1e-6)
    assert np.abs(label.interstate_couplings).max() < 1e-8


def test_active_orbitals_that_are_not_the_neighbours_make_a_label_doubtful(water_cation):
    source, positions = water_cation
    good = source.label(positions)
    orbitals = good.memory["orbitals"].copy()
    orbitals[:, [0, -1]] = orbitals[:, [-1, 0]]
    strange = Known(positions, replace(good, memory={**good.memory, "orbitals": orbitals}))
    label = source.label(positions + 0.01 * np.eye(3), [strange])
    assert label.quality is Quality.DOUBTFUL
    assert "the active orbitals are others" in label.reason
    assert label.checks["active_overlap_min"] < 0.7


def test_a_doubt_says_which_states_have_become_others():
    """The excited state has another orbital; the ground state holds next to nothing of either."""
    source = _source("sa2-casscf(2,2)/sto-3g", (3, 1))
    middle = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 3.0]])
    good = source.label(middle)
    orbitals = good.memory["orbitals"].copy()
    # Another empty orbital: p of lithium across the bond.
    orbitals[:, -1] = np.eye(len(orbitals))[2]
    strange = Known(middle, replace(good, memory={**good.memory, "orbitals": orbitals}))
    there = middle + np.diag([0.0, 0.0, 0.02])[1:]
    label = source.label(there, [strange])
    assert label.quality is Quality.DOUBTFUL and label.doubted == (1,)
    assert label.checks["kept_of_state_0"] > 0.9 > 0.1 > label.checks["kept_of_state_1"]
    # An energy that the forces do not lead to makes the lowest state one of another solution too.
    jumped = replace(strange, label=replace(strange.label, energies=good.energies - [0.004, 0.0]))
    assert source.label(there, [jumped]).doubted == (0, 1)


def test_a_calculation_that_does_not_converge_is_a_failed_label(water_cation, monkeypatch):
    source, positions = water_cation
    monkeypatch.setattr(state_average, "MOST_CYCLES", 1)
    monkeypatch.setattr(state_average, "_MOST_SECOND_ORDER_CYCLES", 0)
    label = source.label(positions)
    assert label.quality is Quality.FAILED and "did not converge" in label.reason
    assert np.isnan(label.energies).all()


def test_the_dipole_of_a_state_is_the_slope_of_its_energy_in_a_field(hydrogen):
    source, positions = hydrogen
    # No permanent dipole about the middle of H2, and transition moments along the bond.
    middle = positions - positions.mean(axis=0)
    dipoles = source.label(middle).dipoles
    np.testing.assert_allclose(np.einsum("kkx->kx", dipoles), 0.0, atol=1e-6)
    bond = middle[1] / np.linalg.norm(middle[1])
    transition = dipoles[0, 1]
    assert np.linalg.norm(transition) > 0.5
    np.testing.assert_allclose(np.cross(transition, bond), 0.0, atol=1e-6)


@pytest.mark.parametrize(
    ("numbers", "section", "sentence"),
    [
        ((1, 1), {"method": "sa3-casscf(2,2)/nobasis"}, "must be known to PySCF for H"),
        ((1, 1), {"method": "sa4-casscf(2,2)/6-31g"}, "at most the 3 states"),
        ((1, 1), {"method": "sa2-casscf(2,2)/6-31g", "charge": 9}, "leave the molecule an electron"),
        ((1, 1), {"method": "sa2-casscf(4,4)/6-31g"}, "at most the 2 electrons of the molecule"),
        ((3, 1), {"method": "sa2-casscf(3,3)/6-31g"}, "an even number of electrons outside"),
        ((1, 1), {"method": "casscf(2,2)/6-31g"}, r"two states or more, but has one.*Try sa2-casscf\(2,2\)"),
        ((1, 1), {"method": "sa2-casscf(2,2)/6-31g", "multiplicities": [1, 2]}, "2 does not"),
        ((1, 1), {"method": "sa2-casscf(2,2)/6-31g", "multiplicities": [1]}, "each of the 2 states"),
        ((1, 1), {"method": "sa2-casscf(2,9)/6-31g"}, "at most the 4 orbitals"),
        ((1, 1), {"method": "casscf 2 2"}, "must be like sa3-casscf"),
        ((1, 1), {"method": "sa2-casscf(4,2)/6-31g"}, "fewer electrons than fill"),
        ((3, 1), {"method": "sa2-casscf(2,2)/sto-3g", "active": {"orbitals": [1]}}, "2 different ones"),
        ((3, 1), {"method": "sa2-casscf(2,2)/sto-3g", "active": {"atoms": [2]}}, "from 0 to 1"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(numbers, section, sentence):
    with pytest.raises(ValueError, match=sentence):
        source_from({"pyscf": section}, numbers)


def test_a_missing_program_is_named_with_its_extra(monkeypatch):
    from nadyn.interfaces.pyscf import section

    monkeypatch.setattr(section.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r'pip install "nadyn\[qm\]"'):
        source_from({"pyscf": {"method": "sa3-casscf(2,2)/6-31g"}}, (1, 1))
