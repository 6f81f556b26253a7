"""ASE's EMT with the face of a model, so that `nadyn.run` moves atoms on it, constant pressure included."""

from dataclasses import dataclass

import torch
from ase import Atoms
from ase.calculators.emt import EMT

from nadyn.models.model import Evaluation
from nadyn.structures import masses
from nadyn.units import ANGSTROM_PER_BOHR, EV_PER_ANGSTROM_PER_AU, HARTREE_PER_EV


def emt_model(atomic_numbers: tuple[int, ...], cell: torch.Tensor) -> "EmtModel":
    """Return EMT in a cell [bohr]; it keeps its own list of neighbours from one evaluation to the next."""
    atoms = Atoms(atomic_numbers, cell=cell.numpy() * ANGSTROM_PER_BOHR, pbc=True)
    atoms.calc = EMT()
    return EmtModel(atomic_numbers, cell, atoms)


@dataclass(frozen=True)
class EmtModel:
    """One state, whose energy has the forces and the stress of EMT as its derivatives."""

    atomic_numbers: tuple[int, ...]
    cell: torch.Tensor
    atoms: Atoms
    pbc: tuple[bool, bool, bool] = (True, True, True)

    name = "EMT of ASE"
    coordinates = "cartesian"
    laws = frozenset({"translation", "permutation"})
    n_states = n_basis = block_width = 1
    fixed_diabatic_basis = False
    shortest_distances = None

    @property
    def masses(self) -> torch.Tensor:
        return torch.from_numpy(masses(self.atomic_numbers))

    def evaluate(self, positions: torch.Tensor, *, cells: torch.Tensor | None = None) -> Evaluation:
        cells = self.cell.expand(len(positions), 3, 3) if cells is None else cells
        rows = [self._one(place, cell) for place, cell in zip(positions, cells, strict=True)]
        return Evaluation(torch.stack(rows)[:, None, None], torch.zeros(len(rows), dtype=torch.float64))

    def _one(self, positions: torch.Tensor, cell: torch.Tensor) -> torch.Tensor:
        places, box = positions.detach(), cell.detach()
        atoms = self.atoms
        atoms.set_cell(box.numpy() * ANGSTROM_PER_BOHR)
        atoms.set_positions(places.numpy() * ANGSTROM_PER_BOHR)
        energy = atoms.get_potential_energy() * HARTREE_PER_EV
        slope = torch.from_numpy(-atoms.get_forces() / EV_PER_ANGSTROM_PER_AU)
        strained = torch.from_numpy(atoms.get_stress(voigt=False) * HARTREE_PER_EV) * ANGSTROM_PER_BOHR**3
        strained = strained * torch.linalg.det(box).abs()
        # For r and h that go with a strain, dE/dε = rᵀ ∂E/∂r + hᵀ ∂E/∂h.
        of_cell = torch.linalg.solve(box.T, strained - places.T @ slope)
        linear = (slope * (positions - places)).sum() + (of_cell * (cell - box)).sum()
        return energy + linear
