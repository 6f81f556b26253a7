"""Small molecules whose wave functions take a tenth of a second."""

import sys

import numpy as np
import pytest

from nadyn.interfaces.sources import source_from

# Tight enough for finite differences.
TIGHT = {"energy_tolerance_hartree": 1e-10, "orbital_tolerance": 1e-6}


@pytest.fixture(autouse=True)
def without_checkpoint_files(monkeypatch):
    """Hartree-Fock of the tests themselves opens no file that would be closed in a later test."""
    if "pyscf.scf.hf" in sys.modules:
        monkeypatch.setattr(sys.modules["pyscf.scf.hf"], "MUTE_CHKFILE", True)


@pytest.fixture(scope="session")
def hydrogen():
    """Three singlets of H2, and a bond askew to the axes [bohr]."""
    source = source_from({"pyscf": {"method": "sa3-casscf(2,2)/6-31g", **TIGHT}}, (1, 1))
    return source, np.array([[0.0, 0.0, 0.0], [0.1, 0.4, 1.9]])


@pytest.fixture(scope="session")
def water_cation():
    """Two doublets of H2O+ with a core, without symmetry [bohr]."""
    source = source_from({"pyscf": {"method": "sa2-casscf(3,2)/sto-3g", "charge": 1, **TIGHT}}, (8, 1, 1))
    return source, np.array([[0.0, 0.0, 0.0], [0.1, 1.4, 1.1], [0.0, -1.6, 1.2]])
