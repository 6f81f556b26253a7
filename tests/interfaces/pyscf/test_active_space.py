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
    with pytest.raises(InputError, match=f"as are active, 3, but .* of atoms 0, 1 are {n}"):
        chosen(hartree_fock, labels, 3)


def test_sigma_wants_both_ends_of_a_bond(hartree_fock):
    from nadyn.interfaces.pyscf.active_space import overlapping_with_atoms

    with pytest.raises(InputError, match="both ends of a bond for sigma, but none is bound to atom 0"):
        overlapping_with_atoms(hartree_fock, [0], ["sigma"], 1)


def test_a_file_of_orbitals_is_beside_its_source():
    from pathlib import Path

    from nadyn.interfaces.sources import source_section

    named = {"pyscf": {"method": "sa2-casscf(2,2)/sto-3g", "active": {"file": "x.molden"}}}
    assert source_section(named, folder=Path("/there")).active.file == "/there/x.molden"
    assert source_section(named).active.file == "x.molden"
