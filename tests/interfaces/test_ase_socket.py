"""The recipe of docs/large_systems.md: a model behind the socket of i-PI, whose protocol ASE speaks."""

import os
import threading
import uuid

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.socketio import SocketClient, SocketIOCalculator
from ase.optimize import BFGS
from contracts.models import MODELS
from contracts.untrained import untrained

import nadyn
from nadyn.units import ANGSTROM_PER_BOHR

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="sockets of UNIX")


def served(atoms, calculator, use):
    """Let a server ask a client, which has the same atoms and the calculator, and return what `use` does."""
    name = f"nadyn{uuid.uuid4().hex[:12]}"
    theirs = atoms.copy()
    theirs.calc = calculator

    def client():
        SocketClient(unixsocket=name).run(theirs, use_stress=bool(all(theirs.pbc)))

    with SocketIOCalculator(unixsocket=name) as server:
        thread = threading.Thread(target=client, daemon=True)
        thread.start()
        atoms.calc = server
        result = use(atoms)
    thread.join(timeout=20)
    assert not thread.is_alive()
    return result


@pytest.mark.usefixtures("unchecked_annotations")
def test_an_excited_molecule_is_relaxed_through_a_socket():
    places = MODELS["springs"].positions(1)[0].numpy() * ANGSTROM_PER_BOHR
    here, there = Atoms("NHHF", places), Atoms("NHHF", places)
    model = MODELS["springs"].build()

    def relax(atoms):
        BFGS(atoms, logfile=None).run(fmax=0.05, steps=3)
        return atoms.get_potential_energy(), atoms.get_forces(), atoms.positions.copy()

    here.calc = nadyn.ase_calculator(model, state=1)
    expected = relax(here)
    found = served(there, nadyn.ase_calculator(model, state=1), relax)
    assert np.abs(expected[2] - places).max() > 0.05
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-9)


def test_the_virial_of_a_crystal_goes_through_a_socket():
    model = untrained("moments", None, cutoff=5.0).double()
    cell = np.array([[3.3, 0.1, -0.1], [0.4, 3.0, 0.2], [-0.2, 0.3, 3.5]])
    scaled = [[0.02, 0.05, 0.0], [0.5, 0.45, 0.1], [0.2, 0.2, 0.55], [0.7, 0.7, 0.7]]
    here = Atoms("FHCN", scaled_positions=scaled, cell=cell, pbc=True)
    there = here.copy()
    here.calc = nadyn.ase_calculator(model)
    found = served(there, nadyn.ase_calculator(model), lambda atoms: atoms.get_stress())
    np.testing.assert_allclose(found, here.get_stress(), rtol=0, atol=1e-9)
    assert np.abs(found).max() > 1e-3
