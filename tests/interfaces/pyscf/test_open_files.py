"""What PySCF opens is closed when Hartree-Fock is set up, and not whenever garbage is collected."""

import os

import numpy as np
import pytest

pytest.importorskip("pyscf")

from pyscf.scf import hf

from nadyn.interfaces.sources import source_from

HYDROGEN = (1, 1), np.array([[0.0, 0.0, 0.0], [0.1, 0.4, 1.9]])


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("sa2-casscf(2,2)/6-31g", {}),
        ("sa2-casscf(2,2)/6-31g", {"density_fitting": True}),
        ("tda2-hf/6-31g", {}),
        ("tda2-svwn/6-31g", {}),
    ],
)
def test_hartree_fock_that_is_kept_holds_no_file(method, options, monkeypatch):
    monkeypatch.setattr(hf, "MUTE_CHKFILE", False)
    source = source_from({"pyscf": {"method": method, **options}}, HYDROGEN[0])
    setup = source.response if "tda" in method else source.average
    before = set(os.listdir("/dev/fd"))
    kept = setup.mean_field(setup.molecule(HYDROGEN[1]))
    assert kept.chkfile is None
    assert set(os.listdir("/dev/fd")) <= before
