"""Which orbitals of Hartree-Fock a CASSCF calculation begins with as its active ones."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float
from pyscf import gto
from pyscf.scf.hf import SCF
from pyscf.tools import molden

from nadyn.checks.errors import InputError
from nadyn.checks.files import check_file
from nadyn.interfaces.pyscf.molecule import turned
from nadyn.interfaces.pyscf.orbitals import Orbitals, orthonormal
from nadyn.structures import symbol
from nadyn.structures.alignment import rotation_onto
from nadyn.structures.covalent_radii import radii

# Atoms nearer than this many sums of their covalent radii are neighbours.
_BONDED = 1.3
# Ratio of singular values below which points are on a line.
_ON_A_LINE = 0.1
# Eigenvalue of the overlap of p orbitals below which one of them is no other than those before: so `n` beside
# `pi` counts from 18 degrees on, and does not turn about where an atom is nearly flat.
_ANOTHER = 0.1


class TooFewOrbitals(ValueError):
    """A geometry at which there are fewer p orbitals than active ones: the others would be any."""


def with_active_orbitals(mo: Orbitals, chosen: Sequence[int], n_core: int) -> Orbitals:
    """Return orbitals with the chosen ones behind `n_core` others."""
    rest = [p for p in range(mo.shape[1]) if p not in set(chosen)]
    return mo[:, [*rest[:n_core], *chosen, *rest[n_core:]]]


def overlapping_with_atoms(mf: SCF, atoms: Sequence[int], labels: Sequence[str], n_orbitals: int) -> Orbitals:
    """Return orbitals of which those at the frontier overlap most with p orbitals of some atoms.

    Occupied and empty orbitals are turned among themselves, and ordered by their overlap with the p orbitals
    of a minimal basis: the occupied so that it grows, the empty so that it falls.

    Source: E. R. Sayfutyarova, Q. Sun, G. K.-L. Chan and G. Knizia, J. Chem. Theory Comput. 13, 4063 (2017).

    Raises:
        InputError: An atom has no p orbital in a minimal basis, or no partner for sigma.
        TooFewOrbitals: They span fewer dimensions than there are active orbitals.
    """
    mol = mf.mol
    minimal = gto.M(atom=mol._atom, unit="bohr", basis="minao", charge=mol.charge, spin=mol.spin, verbose=0)
    targets = _targets(minimal, atoms, labels)
    cross = targets.T @ gto.intor_cross("int1e_ovlp", minimal, mol) @ mf.mo_coeff
    metric = targets.T @ minimal.intor("int1e_ovlp") @ targets
    sizes, combinations = np.linalg.eigh(metric)
    different = sizes > _ANOTHER
    if different.sum() < n_orbitals:
        raise TooFewOrbitals(
            f"`active` must name at least as many p orbitals as are active, {n_orbitals}, but "
            f"{', '.join(labels)} of atoms {', '.join(map(str, atoms))} are {different.sum()} here. Name "
            "more atoms or labels (pi, sigma, n, p), or fewer active orbitals."
        )
    inverse = combinations[:, different] / sizes[different] @ combinations[:, different].T
    projector = cross.T @ inverse @ cross
    n_filled = int(np.count_nonzero(mf.mo_occ > 0))
    filled, empty = slice(0, n_filled), slice(n_filled, mf.mo_coeff.shape[1])
    # Ascending: the best of the occupied come last, of the empty first.
    in_filled = mf.mo_coeff[:, filled] @ np.linalg.eigh(projector[filled, filled])[1]
    in_empty = mf.mo_coeff[:, empty] @ np.linalg.eigh(projector[empty, empty])[1][:, ::-1]
    return np.hstack([in_filled, in_empty])


def read_orbitals(file: str, mol: gto.Mole, overlap: Float[np.ndarray, "ao ao"], n_occupied: int) -> Orbitals:
    """Return the orbitals of a molden file, turned into the frame of a molecule and orthonormal there.

    Raises:
        InputError: The file is missing or no molden file, or is of other atoms or another basis.
    """
    check_file(Path(file), f"orbitals {file!r}")
    try:
        other, _, mo, *_ = molden.load(file, verbose=0)
    except (ValueError, RuntimeError, IndexError, KeyError) as error:
        raise InputError(f"orbitals {file!r} must be a molden file, but cannot be read.") from error
    if [other.atom_charge(i) for i in range(other.natm)] != [mol.atom_charge(i) for i in range(mol.natm)]:
        raise InputError(f"orbitals {file!r} must be of the same atoms in their order, but are not.")
    if other.nao != mol.nao:
        raise InputError(
            f"orbitals {file!r} must be in the basis of `method` ({mol.nao} functions), but have {other.nao}."
        )
    turn = rotation_onto(other.atom_coords(), mol.atom_coords())
    return orthonormal(turned(mol, mo[:, :n_occupied], turn), overlap)


def _targets(minimal: gto.Mole, atoms: Sequence[int], labels: Sequence[str]) -> np.ndarray:
    """Return p orbitals of the minimal basis as columns."""
    names = minimal.ao_labels(fmt=None)
    columns = []
    for atom in atoms:
        shells = sorted({label for number, _, label, _ in names if number == atom and label.endswith("p")})
        if not shells:
            raise InputError(
                f"`atoms` of `active` must have p orbitals, but atom {atom} is "
                f"{symbol(minimal.atom_charge(atom))}. Name others."
            )
        place = {
            direction: row
            for row, (number, _, label, direction) in enumerate(names)
            if number == atom and label == shells[-1]
        }
        for direction in _directions(minimal, atom, labels, atoms):
            column = np.zeros(minimal.nao)
            for axis, part in zip("xyz", direction, strict=True):
                column[place[axis]] = part
            columns.append(column)
    return np.stack(columns, axis=1)


def _directions(mol: gto.Mole, atom: int, labels: Sequence[str], atoms: Sequence[int]) -> list[np.ndarray]:
    """Return unit vectors of the p orbitals that the labels mean at one of the atoms."""
    if "p" in labels:
        return list(np.eye(3))
    points, charges = mol.atom_coords(), np.array([mol.atom_charge(i) for i in range(mol.natm)])
    neighbours = _neighbours(points, charges, atom)
    near = [atom, *neighbours]
    if len(near) < 3:
        near += [far for one in neighbours for far in _neighbours(points, charges, one) if far != atom]
    _, size, axes = np.linalg.svd(points[near] - points[near].mean(axis=0))
    is_line = len(near) < 3 or size[1] < _ON_A_LINE * size[0]
    found = []
    if "pi" in labels:
        found += [axes[1], axes[2]] if is_line else [axes[2]]
    if "n" in labels and not is_line:
        bonds = points[neighbours] - points[atom]
        bonds = bonds / np.linalg.norm(bonds, axis=1, keepdims=True)
        away = np.cross(axes[2], bonds[0]) if len(neighbours) == 1 else -bonds.sum(axis=0)
        # Three neighbours in a plane with the atom leave no direction but the one across it.
        flat = np.linalg.norm(away) < _ON_A_LINE
        found.append(axes[2] if flat else away / np.linalg.norm(away))
    if "sigma" in labels:
        found += _along_bonds(points, atom, neighbours, [other for other in atoms if other != atom])
    return found


def _along_bonds(
    points: np.ndarray, atom: int, neighbours: Sequence[int], others: Sequence[int]
) -> list[np.ndarray]:
    """Return directions to those of the other atoms that are bound to it, or to the nearest of them."""
    if not others:
        raise InputError(
            "`atoms` of `active` must name both ends of a bond for sigma, but name one. Add one."
        )
    nearest = min(others, key=lambda other: float(np.linalg.norm(points[other] - points[atom])))
    partners = [other for other in others if other in neighbours] or [nearest]
    bonds = points[partners] - points[atom]
    return list(bonds / np.linalg.norm(bonds, axis=1, keepdims=True))


def _neighbours(points: np.ndarray, charges: np.ndarray, atom: int) -> list[int]:
    reach = _BONDED * (radii(charges) + radii(charges)[atom])
    distances = np.linalg.norm(points - points[atom], axis=1)
    near = [i for i in np.argsort(distances) if i != atom]
    bonded = [int(i) for i in near if distances[i] < reach[i]]
    # A stretched atom keeps its nearest one.
    return bonded or [int(near[0])]
