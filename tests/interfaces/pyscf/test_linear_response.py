"""Labels of TDA and TDDFT against PySCF's own numbers, finite differences and determinants one by one."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from pyscf import dft, scf, tdscf
from pyscf.fci import direct_spin1
from scipy.spatial.transform import Rotation

from nadyn.electronic.labels import HasActiveSpace, HasOverlaps, Known, LabelsInParts, LabelSource, Quality
from nadyn.interfaces.pyscf import linear_response, orbital_hessian, response
from nadyn.interfaces.pyscf.response_overlaps import response_overlaps
from nadyn.interfaces.sources import source_from
from nadyn.units import HARTREE_PER_EV

TIGHT = {"energy_tolerance_hartree": 1e-11, "orbital_tolerance": 1e-6}
WATER = (8, 1, 1), np.array([[0.0, 0.0, 0.0], [0.1, 1.4, 1.1], [0.0, -1.6, 1.2]])
HYDROGEN = (1, 1), np.array([[0.0, 0.0, 0.0], [0.1, 0.4, 1.5]])
# Its open-shell singlet and its triplet lie under its closed shell.
METHYLENE = (6, 1, 1), np.array([[0.0, 0.0, 0.0], [0.0, 2.02, 0.2], [0.0, -2.03, 0.25]])


def _source(method, numbers=WATER[0], **more):
    return source_from({"pyscf": {"method": method, **TIGHT, **more}}, numbers)


@pytest.fixture(scope="module")
def water():
    source = _source("tda4-hf/sto-3g", multiplicities=[1, 1, 3, 3])
    return source, Known(WATER[1], source.label(WATER[1]))


def test_a_source_has_overlaps_and_no_couplings(water):
    source, known = water
    assert isinstance(source, LabelSource) and isinstance(source, HasOverlaps)
    assert isinstance(source, LabelsInParts) and not isinstance(source, HasActiveSpace)
    assert source.gives == {"forces", "dipoles", "overlaps"}
    assert known.label.interstate_couplings is None and known.label.quality is Quality.TRUSTED
    assert source.theory == "TDA-HF/sto-3g, 4 states, states of multiplicity 1 1 3 3, PySCF"
    assert _source("tdhf2/sto-3g").theory == "TDHF/sto-3g, 2 states, PySCF"
    assert _source("td2-pbe0/sto-3g").theory == "TDDFT-PBE0/sto-3g, 2 states, PySCF"


@pytest.mark.parametrize(
    ("method", "kind", "spins"),
    [
        ("tda3-hf/6-31g", "TDA", (1, 1, 1)),
        ("tdhf4/sto-3g", "TDHF", (1, 1, 3, 3)),
        pytest.param("td3-pbe/sto-3g", "TDDFT", (1, 1, 1), marks=pytest.mark.slow),
        pytest.param("tda3-b3lyp/sto-3g", "TDA", (1, 1, 3), marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("largest", [0, 60])
def test_energies_are_those_of_a_calculation_by_hand(method, kind, spins, largest, monkeypatch):
    monkeypatch.setattr(response, "LARGEST_WHOLE", largest)
    source = _source(method, multiplicities=list(spins))
    label = source.label(WATER[1])
    mol = source.response.molecule(WATER[1])
    functional = source.response.method.functional
    mf = scf.RHF(mol) if functional == "hf" else dft.RKS(mol, xc=functional)
    energy = mf.run(conv_tol=1e-11).e_tot
    expected = [energy]
    for spin in (1, 3):
        n = spins.count(spin) - (spin == 1)
        if n:
            td = getattr(mf, kind)().run(nstates=n + 1, singlet=spin == 1, conv_tol=1e-7)
            expected += list(energy + td.e[:n])
    assert label.quality is Quality.TRUSTED, label.reason
    np.testing.assert_allclose(label.energies, expected, atol=1e-8)


@pytest.mark.parametrize(
    ("method", "spins"),
    [
        ("tda4-hf/sto-3g", [1, 1, 1, 3]),
        ("tdhf3/sto-3g", [1, 1, 3]),
        pytest.param("tda2-b3lyp/sto-3g", [1, 1], marks=pytest.mark.slow),
        pytest.param("td3-pbe/6-31g", [1, 1, 3], marks=pytest.mark.slow),
        pytest.param("td3-cam-b3lyp/6-31g*", [1, 1, 1], marks=pytest.mark.slow),
    ],
)
def test_forces_are_derivatives_of_energies_and_overlaps_are_antisymmetric(method, spins):
    source = _source(method, multiplicities=spins)
    known = Known(WATER[1], source.label(WATER[1]))
    direction = np.random.default_rng(1).normal(size=(3, 3))
    step = 4e-3 / np.linalg.norm(direction)
    ends = [WATER[1] + sign * step * direction for sign in (1, -1)]
    labels = [source.label(end, [known]) for end in ends]
    slopes = (labels[0].energies - labels[1].energies) / (2 * step)
    forces = np.einsum("knx,nx->k", known.label.forces, direction)
    np.testing.assert_allclose(-forces, slopes, atol=1e-5 * np.linalg.norm(direction))
    found = [source.overlaps(known, Known(end, label)) for end, label in zip(ends, labels, strict=True)]
    signed = [s * np.sign(np.diag(s)) for s in found]
    nac = (signed[0] - signed[1]) / 8e-3
    assert np.abs(nac[0, 1]) > 1e-2
    np.testing.assert_allclose(nac, -nac.T, atol=5e-5)
    other = np.array(spins)[:, None] != np.array(spins)
    assert (signed[0][other] == 0.0).all()


@pytest.mark.parametrize("functional", ["svwn", pytest.param("b3lyp", marks=pytest.mark.slow)])
def test_a_density_functional_gives_what_pyscf_gives(functional):
    source = _source(f"td3-{functional}/6-31g", HYDROGEN[0], multiplicities=[1, 1, 3])
    label = source.label(HYDROGEN[1])
    mf = dft.RKS(source.response.molecule(HYDROGEN[1]), xc=functional).run(conv_tol=1e-11)
    np.testing.assert_allclose(-label.forces[0], mf.nuc_grad_method().kernel(), atol=1e-6)
    for state, singlet in ((1, True), (2, False)):
        td = mf.TDDFT().run(nstates=1, singlet=singlet, conv_tol=1e-7)
        assert label.energies[state] == pytest.approx(td.e_tot[0], abs=1e-8)
        np.testing.assert_allclose(-label.forces[state], td.nuc_grad_method().kernel(), atol=1e-6)


def test_overlaps_are_those_of_all_determinants_one_by_one():
    rng = np.random.default_rng(3)
    n, m = 2, 3
    orbitals = np.eye(n + m) + 0.4 * rng.normal(size=(n + m, n + m))
    here, there = (rng.normal(size=(2, n, m)) for _ in range(2))
    for sign in (1, -1):
        expected = np.zeros((3, 3))
        wave = [_determinants(x, sign) for x in (here, there)]
        for (k, left), (l, right) in product(enumerate(wave[0]), enumerate(wave[1])):
            for (up, down, c), (up_there, down_there, d) in product(left, right):
                both = np.linalg.det(orbitals[np.ix_(up, up_there)])
                expected[k, l] += c * d * both * np.linalg.det(orbitals[np.ix_(down, down_there)])
        found = response_overlaps(orbitals, here, there, singlet=sign == 1)
        np.testing.assert_allclose(found, expected, atol=1e-12)


def _determinants(amplitudes, sign):
    """Lists of (spin up, spin down, coefficient) of the ground state and of each root."""
    n = amplitudes.shape[1]
    ground = list(range(n))
    states = [[(ground, ground, 1.0)]]
    for root in amplitudes:
        terms = []
        for (i, a), x in np.ndenumerate(root):
            moved = [n + a if p == i else p for p in ground]
            terms += [(moved, ground, x / np.sqrt(2)), (ground, moved, sign * x / np.sqrt(2))]
        states.append(terms)
    return states


def test_overlaps_stay_exact_where_no_occupied_orbital_is_in_common():
    # A pair of electrons in another orbital: the ground state there is doubly excited here.
    swapped = np.eye(4)[:, [0, 2, 1, 3]]
    amplitudes = np.zeros((1, 2, 2))
    amplitudes[0, 1, 0] = 1.0
    found = response_overlaps(swapped, amplitudes, amplitudes, singlet=True)
    np.testing.assert_allclose(found, np.diag([0.0, 1.0]), atol=1e-4)


def test_states_at_one_geometry_are_orthonormal_also_without_tamm_and_dancoff(water):
    full = _source("tdhf4/sto-3g")
    for source, known in (water, (full, Known(WATER[1], full.label(WATER[1])))):
        np.testing.assert_allclose(source.overlaps(known, known), np.eye(4), atol=1e-9)


def test_a_turned_molecule_has_turned_labels_whatever_the_frame_of_its_neighbour(water):
    source, known = water
    turn = Rotation.from_rotvec([0.5, -1.1, 2.2]).as_matrix()
    there = known.positions @ turn + [3.0, -1.0, 2.0]
    label = source.label(there, [known])
    np.testing.assert_allclose(label.energies, known.label.energies, atol=1e-9)
    np.testing.assert_allclose(label.forces, known.label.forces @ turn, atol=1e-5)
    checks = label.checks
    assert checks["ground_state_energy_from_neighbour"] == pytest.approx(
        checks["ground_state_energy_from_atoms"], abs=1e-9
    )
    again = Known(there, label)
    np.testing.assert_allclose(source.overlaps(again, again), np.eye(4), atol=1e-9)


def test_what_a_label_remembers_of_its_geometry_is_not_computed_again(water, monkeypatch):
    source, known = water
    monkeypatch.setattr(response.Response, "ground_state", None)
    monkeypatch.setattr(response.Response, "roots", None)
    label = source.label_parts(known.positions, [known], forces=[1, 3], pairs=[])
    np.testing.assert_array_equal(label.energies, known.label.energies)
    np.testing.assert_allclose(label.forces[[1, 3]], known.label.forces[[1, 3]], atol=1e-9)
    assert np.isnan(label.forces[[0, 2]]).all()


def test_dipoles_are_those_of_wave_functions():
    """The excited states of two electrons, as vectors of a full configuration interaction."""
    source = _source("tda4-hf/6-31g", HYDROGEN[0], multiplicities=[1, 1, 1, 3])
    label = source.label(HYDROGEN[1])
    mol, orbitals = source.response.molecule(HYDROGEN[1]), label.memory["orbitals"]
    vectors = [np.diag([1.0, 0.0, 0.0, 0.0])]
    for spin, sign in ((1, 1), (3, -1)):
        for x in np.sqrt(2.0) * label.memory[f"amplitudes_{spin}"][:, 0, 0]:
            vector = np.zeros((4, 4))
            vector[1:, 0], vector[0, 1:] = x / np.sqrt(2), sign * x / np.sqrt(2)
            vectors.append(vector)
    operator = orbitals.T @ mol.intor("int1e_r", comp=3) @ orbitals
    nuclei = mol.atom_charges() @ mol.atom_coords()
    for k, l in product(range(4), repeat=2):
        density = direct_spin1.trans_rdm1(vectors[k], vectors[l], 4, (1, 1))
        expected = -np.einsum("xpq,qp->x", operator, density) + (nuclei if k == l else 0.0)
        if source.multiplicities[k] == source.multiplicities[l]:
            np.testing.assert_allclose(label.dipoles[k, l], expected, atol=1e-6)
        else:
            assert (label.dipoles[k, l] == 0.0).all()
    assert np.linalg.norm(label.dipoles[0, 1]) > 0.5


@pytest.mark.parametrize(("functional", "largest"), [("hf", 0), ("hf", 60), ("svwn", 0)])
def test_the_lowest_curvature_is_that_of_the_whole_matrix(functional, largest, monkeypatch):
    monkeypatch.setattr(orbital_hessian, "LARGEST_WHOLE", largest)
    numbers, positions = WATER if functional == "hf" else HYDROGEN
    mol = _source("tda2-hf/sto-3g", numbers).response.molecule(positions)
    mf = (scf.RHF(mol) if functional == "hf" else dft.RKS(mol, xc=functional)).run(conv_tol=1e-11)
    a, b = tdscf.uhf.get_ab(mf.to_uhf() if functional == "hf" else mf.to_uks())
    n = a[0].shape[0] * a[0].shape[1]
    same, opposite = ((a[k] + b[k]).reshape(n, n) for k in (0, 1))
    for singlet, matrix in ((True, same + opposite), (False, same - opposite)):
        found = orbital_hessian.lowest_curvature(mf, singlet=singlet)
        assert found.value == pytest.approx(np.linalg.eigvalsh(matrix)[0], abs=2e-4)


def test_a_saddle_point_of_the_energy_is_left(monkeypatch):
    source = _source("tda2-hf/6-31g", HYDROGEN[0])
    mol = source.response.molecule(HYDROGEN[1])
    lowest = source.response.ground_state(mol, None)
    # Both electrons in the antibonding orbital, whose symmetry keeps them there.
    mf, overlap = source.response.mean_field(mol), mol.intor("int1e_ovlp")
    mf.mo_coeff, mf.mo_occ = lowest.mo_coeff[:, [1, 0, 2, 3]], lowest.mo_occ
    for _ in range(50):
        mf.mo_energy, orbitals = mf.eig(mf.get_fock(dm=mf.make_rdm1()), overlap)
        order = np.argsort(-np.abs(mf.mo_coeff[:, 0] @ overlap @ orbitals), kind="stable")
        mf.mo_coeff, mf.mo_energy = orbitals[:, order], mf.mo_energy[order]
    mf.e_tot, mf.converged = mf.energy_tot(), True
    assert mf.e_tot > lowest.e_tot + 0.5
    monkeypatch.setattr(response.Response, "ground_state", lambda *_: mf)
    label = source.label(HYDROGEN[1])
    assert label.quality is Quality.TRUSTED and label.checks["lowest_curvature_hartree"] > 0.0
    assert label.energies[0] == pytest.approx(lowest.e_tot, abs=1e-9)


def test_the_lower_of_two_ground_states_is_the_label(water, monkeypatch):
    source, known = water
    true = response.Response.ground_state

    def poor(self, mol, occupied):
        mf = true(self, mol, occupied)
        if occupied is None:
            mf.e_tot += 0.1
        return mf

    monkeypatch.setattr(response.Response, "ground_state", poor)
    label = source.label(known.positions + 0.01 * np.eye(3), [known])
    assert label.checks["began_with_neighbour"] == 1.0
    assert label.energies[0] == label.checks["ground_state_energy_from_neighbour"]


def test_near_a_crossing_with_the_ground_state_a_label_is_doubtful(water, monkeypatch):
    source, known = water
    assert known.label.checks["singlet_gap_ev"] > 5.0
    gap = known.label.energies[1] - known.label.energies[0]
    monkeypatch.setattr(linear_response, "_SMALLEST_GAP", gap + 0.01 * HARTREE_PER_EV)
    label = source.label(known.positions)
    assert label.quality is Quality.DOUBTFUL and "eV from the ground state" in label.reason
    assert label.doubted is None


@pytest.mark.parametrize("largest", [0, 60])
def test_a_root_under_the_ground_state_is_found_and_doubted(largest, monkeypatch):
    monkeypatch.setattr(response, "LARGEST_WHOLE", largest)
    monkeypatch.setattr(orbital_hessian, "LARGEST_WHOLE", largest)
    numbers, positions = METHYLENE
    # The energies of roots are linear in the error of the orbitals, which differs between machines.
    source = _source("tda3-hf/sto-3g", numbers, energy_tolerance_hartree=1e-12, orbital_tolerance=1e-8)
    label = source.label(positions)
    assert label.quality is Quality.DOUBTFUL and "eV from the ground state" in label.reason
    assert label.checks["singlet_gap_ev"] < 0.0 and label.checks["triplet_gap_ev"] < 0.0
    # Sorted all the same, and forces, dipoles and overlaps with them.
    assert (np.diff(label.energies) > 0.0).all()
    assert label.energies[1] == pytest.approx(label.checks["ground_state_energy_from_atoms"])
    known = Known(positions, label)
    ends = [positions + sign * 2e-3 * np.eye(3) for sign in (1, -1)]
    labels = [source.label(end, [known]) for end in ends]
    slopes = (labels[0].energies - labels[1].energies) / 4e-3
    np.testing.assert_allclose(-np.einsum("kxx->k", label.forces), slopes, atol=1e-5)
    overlap = source.overlaps(known, Known(ends[0], labels[0]))
    np.testing.assert_allclose(np.abs(overlap), np.eye(3), atol=2e-2)
    # The closed shell is the second state, and comes first where amplitudes are kept.
    closed = scf.RHF(source.response.molecule(positions)).run(conv_tol=1e-11)
    np.testing.assert_allclose(label.dipoles[1, 1], closed.dip_moment(unit="AU", verbose=0), atol=1e-5)
    unsorted = replace(label, memory={**label.memory, "order": np.arange(3)})
    crossed = source.overlaps(known, Known(positions, unsorted))
    np.testing.assert_allclose(crossed, np.eye(3)[[1, 0, 2]], atol=1e-9)
    # Of full linear response the root is imaginary.
    full = _source("tdhf3/sto-3g", numbers, multiplicities=[1, 1, 3]).label(positions)
    assert full.quality is Quality.FAILED and "triplet is imaginary" in full.reason


def test_a_broken_bond_is_doubtful():
    source = _source("tda2-hf/6-31g", HYDROGEN[0])
    label = source.label(np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 5.0]]))
    assert label.quality is Quality.DOUBTFUL and "a triplet lies" in label.reason


def test_what_does_not_converge_is_a_failed_label(monkeypatch):
    source = _source("tda3-hf/6-31g")
    monkeypatch.setattr(response, "_MOST_CYCLES", 2)
    monkeypatch.setattr(response, "second_order", lambda mf, orbitals: mf)
    label = source.label(WATER[1])
    assert label.quality is Quality.FAILED and "ground state did not converge" in label.reason
    monkeypatch.undo()
    found = response.Response.roots
    monkeypatch.setattr(
        response.Response, "roots", lambda self, *more: replace(found(self, *more), converged=False)
    )
    label = source.label(WATER[1])
    assert label.quality is Quality.FAILED and "roots of excited singlets" in label.reason
    assert np.isnan(label.energies).all()


@pytest.mark.parametrize(
    ("numbers", "section", "sentence"),
    [
        ((1, 1), {"method": "tda2-nofunctional/6-31g"}, "functional 'nofunctional' must be known to PySCF"),
        ((1, 1), {"method": "tda2-b3lyp-d3bj/6-31g"}, "must have no dispersion"),
        ((1, 1), {"method": "tda2-wb97x-v/6-31g"}, "non-local correlation"),
        ((1, 1), {"method": "tda2-m06-2x/6-31g"}, "must be without the kinetic energy density"),
        ((1, 1), {"method": "tda2-b3lyp/nobasis"}, "must be known to PySCF for H"),
        ((1, 1), {"method": "tda2/6-31g"}, "must name a functional"),
        ((1, 1), {"method": "tdhf2-b3lyp/6-31g"}, "none of tdhf"),
        ((1, 1), {"method": "tda0-hf/6-31g"}, "at least one state"),
        ((1, 1), {"method": "tda5-hf/6-31g"}, "at most the 3 excited states"),
        ((1, 1), {"method": "tda2-hf/6-31g", "charge": 1}, "an even number of electrons"),
        ((1, 1), {"method": "tda2-hf/6-31g", "multiplicities": [3, 3]}, "must begin with the singlet"),
        ((1, 1), {"method": "tda2-hf/6-31g", "multiplicities": [1, 5]}, "be 1 or 3"),
        ((1, 1), {"method": "tda2-hf/6-31g", "density_fitting": True}, "`density_fitting` must stand beside"),
        ((1, 1), {"method": "tda2-hf/6-31g", "couplings": True}, "PySCF has none of linear response"),
        ((1, 1), {"method": "tda2-hf/6-31g", "translation_factors": True}, "PySCF has none"),
        ((1, 1), {"method": "tda2-hf/6-31g", "active": {"orbitals": [1]}}, "beside a CASSCF method only"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(numbers, section, sentence):
    with pytest.raises(ValueError, match=sentence):
        source_from({"pyscf": section}, numbers)
