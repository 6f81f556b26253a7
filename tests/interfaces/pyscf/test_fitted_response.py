"""Potentials of few orbitals with density fitting are those that PySCF computes of any matrix."""

import numpy as np
import pytest
from pyscf import gto, mcscf, scf

from nadyn.interfaces.pyscf import fitted_response
from nadyn.interfaces.pyscf.fitted_response import FittedIntegrals, answer_fast


@pytest.fixture
def water():
    """CASSCF(2,2) of water with four doubly occupied orbitals, not solved."""
    mol = gto.M(atom="O 0 0 0; H 0 0.8 0.6; H 0.1 -0.7 0.6", basis="6-31g", verbose=0)
    mf = scf.RHF(mol).density_fit(auxbasis="weigend")
    mf.chkfile = None
    mf.with_df.build()
    return mcscf.CASSCF(mf, 2, 2).state_average([0.5, 0.5])


@pytest.fixture
def integrals(water):
    return FittedIntegrals(water.with_df, water.ncore, water.ncas)


@pytest.fixture(params=[(100e6, 500e6), (3e3, 500e6), (3e3, 0)])
def in_blocks(request, monkeypatch):
    monkeypatch.setattr(fitted_response, "_BLOCK_BYTES", request.param[0])
    monkeypatch.setattr(fitted_response, "_HELD_BYTES", request.param[1])


def test_integrals_over_orbitals_are_those_of_pyscf(water, integrals, in_blocks):
    for mo in np.random.default_rng(3).normal(size=(2, water.mol.nao, water.mol.nao)):
        own, theirs = integrals.of_orbitals(mo), water.ao2mo(mo)
        for name in ("ppaa", "papa", "j_pc", "k_pc", "vhf_c"):
            expected = np.asarray(getattr(theirs, name))
            np.testing.assert_allclose(getattr(own, name), expected, rtol=1e-9, atol=1e-9, err_msg=name)


def test_a_turn_of_the_orbitals_has_the_potentials_of_pyscf(water, integrals, in_blocks):
    rng = np.random.default_rng(0)
    n = water.mol.nao
    one = rng.normal(size=(2, 2))
    one = one + one.T
    # Two turns of one set of orbitals, and one of another.
    for mo in rng.normal(size=(2, n, n)):
        for turn in rng.normal(size=(2, n, n)):
            turn = turn - turn.T
            expected = water.update_jk_in_ah(mo, turn, one, None)
            for own, theirs in zip(integrals.turned(mo, turn, one, None), expected, strict=True):
                np.testing.assert_allclose(own, theirs, rtol=1e-10, atol=1e-10)


def test_densities_of_few_orbitals_have_the_potentials_of_pyscf(water, integrals, in_blocks):
    rng = np.random.default_rng(1)
    n = water.mol.nao
    core, active = rng.normal(size=(n, 3)), rng.normal(size=(n, 2))
    # Weights of either sign, as those of a change have them.
    densities = np.stack([2.0 * core @ core.T, active @ np.diag([0.7, -0.4]) @ active.T])
    for own, theirs in zip(integrals.potentials(densities), water.with_df.get_jk(densities), strict=True):
        np.testing.assert_allclose(own, theirs, rtol=0, atol=1e-9)
    single = integrals.potentials(densities[1])
    np.testing.assert_allclose(single[1], water.with_df.get_jk(densities[1])[1], rtol=0, atol=1e-9)


def test_what_has_many_orbitals_or_is_not_symmetric_is_left_to_pyscf(water, integrals):
    rng = np.random.default_rng(2)
    n = water.mol.nao
    full = rng.normal(size=(n, n))
    assert integrals.potentials(full) is None
    assert integrals.potentials(full + full.T) is None
    mc = mcscf.CASSCF(water._scf, 2, 2).state_average([0.5, 0.5])
    plain = mc.get_jk(mc.mol, full + full.T)
    answer_fast(mc)
    np.testing.assert_allclose(mc.get_jk(mc.mol, full + full.T), plain, rtol=1e-12, atol=1e-12)
