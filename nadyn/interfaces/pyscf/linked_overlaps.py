"""Overlaps of CASSCF states at many pairs of geometries, the molecules laid on each other."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from pyscf import gto

from nadyn.electronic.diabatic.links import NEAR, Links
from nadyn.electronic.diabatic.states import Overlaps
from nadyn.electronic.labels import Known
from nadyn.interfaces.pyscf.molecule import turned
from nadyn.interfaces.pyscf.overlaps import state_overlaps
from nadyn.interfaces.pyscf.state_average import StateAverage
from nadyn.structures.alignment import rotation_onto


def linked_overlaps(
    average: StateAverage, known: Sequence[Known], links: Links, order: Sequence[int] | None = None
) -> Overlaps:
    """Return ⟨k at the first|l at the second⟩ along links; zero between multiplicities.

    Orbitals that move along with the atoms are compared in Löwdin's functions, S^½ C, which are orthonormal
    at every geometry.

    Args:
        average: The calculation that the labels are from.
        known: Geometries with what their labels remember.
        links: Which are compared.
        order: The atoms of the second geometry that stand in each place, where they change places.
    """
    # Basis sets are read once: a molecule is another one with its atoms elsewhere.
    model = average.molecule(known[0].positions)
    geometries = [_Geometry(average, model, one) for one in known]
    others = geometries if order is None else [_Geometry(average, model, one, order) for one in known]
    n_states = len(average.multiplicities)
    shape = (len(links), n_states, n_states)
    found = Overlaps(np.zeros(shape), np.zeros(shape))
    for number, (one, two) in enumerate(zip(links.first, links.second, strict=True)):
        here, there = geometries[one], others[two]
        rotation = rotation_onto(there.positions, here.positions)
        moved = here.moved.T @ turned(there.mol, there.moved, rotation)
        found.moved[number] = _states(average, moved, here, there)
        if links.distance[number] > NEAR:
            continue
        laid = there.mol.set_geom_(there.positions @ rotation, unit="bohr", inplace=False)
        between = gto.intor_cross("int1e_ovlp", here.mol, laid)
        standing = here.orbitals.T @ between @ turned(there.mol, there.orbitals, rotation)
        found.standing[number] = _states(average, standing, here, there)
    return found


class _Geometry:
    """Positions about their mean with occupied and active orbitals and vectors."""

    def __init__(
        self, average: StateAverage, model: gto.Mole, known: Known, order: Sequence[int] | None = None
    ):
        places = range(len(known.positions)) if order is None else order
        moved = known.positions[list(places)]
        self.positions = moved - moved.mean(axis=0)
        self.mol = model.set_geom_(self.positions, unit="bohr", inplace=False)
        self.orbitals = known.label.memory["orbitals"][_functions(self.mol, places)]
        values, vectors = np.linalg.eigh(self.mol.intor("int1e_ovlp"))
        self.moved = (vectors * np.sqrt(values)) @ vectors.T @ self.orbitals
        self.vectors = {m: known.label.memory[f"ci_{m}"] for m in set(average.multiplicities)}


def _functions(mol: gto.Mole, order: Sequence[int]) -> Int[np.ndarray, "ao"]:
    """Return the numbers of the basis functions of atoms in a new order: like atoms have like functions."""
    rows = mol.aoslice_by_atom()[:, 2:]
    return np.concatenate([np.arange(*rows[atom]) for atom in order])


def _states(
    average: StateAverage,
    orbitals: Float[np.ndarray, "occupied occupied_there"],
    here: _Geometry,
    there: _Geometry,
) -> Float[np.ndarray, "state state"]:
    spins = average.multiplicities
    result = np.zeros((len(spins), len(spins)))
    for spin in sorted(set(spins)):
        states = [k for k, own in enumerate(spins) if own == spin]
        result[np.ix_(states, states)] = state_overlaps(
            orbitals, average.n_core, here.vectors[spin], there.vectors[spin], average.electrons(spin)
        )
    return result
