"""Which orbitals begin as active ones, by atoms and labels: methaniminium, whose plane is that of y and z."""

import numpy as np
import pytest

from nadyn.checks.errors import InputError

pyscf = pytest.importorskip("pyscf")
pytest.importorskip("pyscf.lo")

CH2NH2 = (
    (6, (0.0, 0.0, -0.68)),
    (7, (0.0, 0.0, 0.60)),
    (1, (0.0, 0.94, -1.22)),
    (1, (0.0, -0.94, -1.22)),
    (1, (0.0, 0.87, 1.12)),
    (1, (0.0, -0.87, 1.12)),
)
N_FILLED = 8


@pytest.fixture(scope="module")
def hartree_fock():
    mol = pyscf.gto.M(atom=CH2NH2, charge=1, basis="sto-3g", verbose=0)
    mf = pyscf.scf.RHF(mol)
    mf.chkfile = None
    return mf.run()


def parts(mf, orbital: np.ndarray) -> dict[str, float]:
    """Return Löwdin populations of the p orbitals of C and N by direction."""
    square_root = pyscf.lo.orth.lowdin(mf.get_ovlp())
    lowdin = np.linalg.solve(square_root, orbital) ** 2
    found = dict.fromkeys("xyz", 0.0)
    for row, (atom, _, shell, direction) in enumerate(mf.mol.ao_labels(fmt=None)):
        if atom < 2 and shell.endswith("p"):
            found[direction] += float(lowdin[row])
    return found


def chosen(mf, labels: list[str], n_orbitals: int) -> np.ndarray:
    from nadyn.interfaces.pyscf.active_space import overlapping_with_atoms

    return overlapping_with_atoms(mf, [0, 1], labels, n_orbitals)


def test_pi_orbitals_are_across_the_plane(hartree_fock):
    orbitals = chosen(hartree_fock, ["pi"], 2)
    for column in (N_FILLED - 1, N_FILLED):
        assert parts(hartree_fock, orbitals[:, column])["x"] > 0.99
    np.testing.assert_allclose(
        orbitals.T @ hartree_fock.get_ovlp() @ orbitals, np.eye(orbitals.shape[1]), atol=1e-8
    )


def test_sigma_orbitals_are_along_the_bond(hartree_fock):
    orbitals = chosen(hartree_fock, ["pi", "sigma"], 3)
    filled = [parts(hartree_fock, orbitals[:, N_FILLED - k]) for k in (1, 2)]
    assert {max(one, key=one.get) for one in filled} == {"x", "z"}
    assert all(one["y"] < 1e-6 for one in filled)
    assert parts(hartree_fock, orbitals[:, N_FILLED])["x"] > 0.99
    # Sigma alone: nothing across the plane.
    sigma = chosen(hartree_fock, ["sigma"], 2)
    assert parts(hartree_fock, sigma[:, N_FILLED - 1])["x"] < 1e-6


@pytest.mark.parametrize(
    ("labels", "n"), [(["pi"], 2), (["pi", "n"], 2), (["sigma"], 2)], ids=["pi", "planar n", "sigma"]
)
def test_fewer_p_orbitals_than_active_ones_are_refused(hartree_fock, labels, n):
    from nadyn.interfaces.pyscf.active_space import TooFewOrbitals

    with pytest.raises(TooFewOrbitals, match=f"as are active, 3, but .* of atoms 0, 1 are {n} here"):
        chosen(hartree_fock, labels, 3)


def test_sigma_wants_both_ends_of_a_bond(hartree_fock):
    from nadyn.interfaces.pyscf.active_space import overlapping_with_atoms

    with pytest.raises(InputError, match="both ends of a bond for sigma, but name one"):
        overlapping_with_atoms(hartree_fock, [0], ["sigma"], 1)


def stretched(length: float) -> np.ndarray:
    """Return the atoms with a C-N bond of another length [bohr]."""
    moved = np.array([position for _, position in CH2NH2])
    moved[[1, 4, 5], 2] += length - 1.28
    return moved / 0.529177210903


def source(labels: list[str], method: str = "sa2-casscf(4,3)/sto-3g"):
    from nadyn.interfaces.sources import source_from

    section = {
        "method": method,
        "charge": 1,
        "couplings": False,
        "active": {"atoms": [0, 1], "labels": labels},
    }
    return source_from({"pyscf": section}, [number for number, _ in CH2NH2])


def test_a_bond_may_be_stretched_whose_orbitals_are_active():
    from nadyn.electronic.labels import Quality

    asked = source(["pi", "sigma"])
    # At 2 Å neither is bound to the other any more.
    assert asked.label(stretched(2.1)).quality is not Quality.FAILED


def test_the_partner_of_a_stretched_bond_is_the_nearest_of_the_atoms():
    from nadyn.interfaces.pyscf.active_space import _along_bonds

    points = np.array([[0.0, 0, 0], [9.0, 0, 0], [0.0, 5, 0], [0.0, 0, 1]])
    (found,) = _along_bonds(points, 0, [3], [1, 2])
    np.testing.assert_allclose(found, [0.0, 1.0, 0.0])
    both = _along_bonds(points, 0, [1, 2, 3], [1, 2])
    np.testing.assert_allclose(both, [[1.0, 0, 0], [0.0, 1, 0]])


def test_too_few_p_orbitals_are_a_failed_label_or_a_neighbour_helps():
    from nadyn.electronic.labels import Known, Quality

    label = source(["pi"]).label(stretched(1.28))
    assert label.quality is Quality.FAILED
    assert "`active` must name at least as many p orbitals" in label.reason
    near = Known(stretched(1.30), source(["pi", "sigma"]).label(stretched(1.30)))
    helped = source(["pi"]).label(stretched(1.28), [near])
    assert helped.quality is Quality.TRUSTED
    assert helped.checks["began_with_neighbour"] == 1.0


def test_a_lone_pair_beside_pi_counts_only_where_it_is_another(hartree_fock):
    """A hydrogen a little out of the plane does not turn the p orbitals about."""
    from nadyn.interfaces.pyscf.active_space import TooFewOrbitals, overlapping_with_atoms

    def bent(out_of_plane: float):
        atoms = [
            (z, (x + (out_of_plane if k == 4 else 0.0), y, w)) for k, (z, (x, y, w)) in enumerate(CH2NH2)
        ]
        mf = pyscf.scf.RHF(pyscf.gto.M(atom=atoms, charge=1, basis="sto-3g", verbose=0))
        mf.chkfile = None
        return mf.run()

    with pytest.raises(TooFewOrbitals):
        overlapping_with_atoms(bent(0.15), [0, 1], ["pi", "n"], 3)


def test_a_file_of_orbitals_is_beside_its_source():
    from pathlib import Path

    from nadyn.interfaces.sources import source_section

    named = {"pyscf": {"method": "sa2-casscf(2,2)/sto-3g", "active": {"file": "x.molden"}}}
    assert source_section(named, folder=Path("/there")).active.file == "/there/x.molden"
    assert source_section(named).active.file == "x.molden"
