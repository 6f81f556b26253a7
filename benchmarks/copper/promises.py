"""What a potential of a crystal must obey, whatever it has learned: python promises.py MODEL.

The primitive cell and supercells of it, bulk and slab; far copies; stress against finite strain; time and
memory an atom from a thousand to a hundred thousand atoms.
"""

import argparse
import resource
import time
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from ase.build import bulk, fcc111

import nadyn
from nadyn.electronic.stress import strained_surface
from nadyn.electronic.surfaces import active_surface
from nadyn.models.learned import LearnedModel
from nadyn.units import BOHR_PER_ANGSTROM, ELECTRONVOLT_PER_HARTREE

A0 = 3.59
STATE = torch.tensor([0])


def bound(model: LearnedModel, atoms: Atoms) -> tuple[LearnedModel, torch.Tensor]:
    """Return the model in the cell of the atoms, and their positions."""
    periodic = tuple(bool(one) for one in atoms.pbc)
    cell = torch.from_numpy(np.array(atoms.cell) * BOHR_PER_ANGSTROM) if any(periodic) else None
    positions = torch.from_numpy(atoms.positions * BOHR_PER_ANGSTROM)[None]
    return model.for_atoms(tuple(int(z) for z in atoms.numbers), cell=cell, pbc=periodic), positions


def energy(model: LearnedModel, atoms: Atoms) -> float:
    """Return the energy an atom [eV]."""
    own, positions = bound(model, atoms)
    with torch.no_grad():
        found = own.evaluate(positions).hamiltonian
    return float(found[0, 0, 0]) * ELECTRONVOLT_PER_HARTREE / len(atoms)


def supercells(model: LearnedModel) -> None:
    """Print how far energies an atom of a primitive cell and of its supercells are apart."""
    slab = fcc111("Cu", size=(1, 1, 5), a=A0, vacuum=8.0)
    slab.pbc = (True, True, False)
    for name, atoms, repeats in (
        ("crystal", bulk("Cu", a=A0), (3, 3, 3)),
        ("slab of 5 layers", slab, (3, 3, 1)),
    ):
        atoms = atoms.copy()
        atoms.set_cell(atoms.cell @ (np.eye(3) + 0.01 * np.diag([1, -1, 0.5])), scale_atoms=True)
        one, many = energy(model, atoms), energy(model, atoms * repeats)
        print(f"{name}: primitive {one:.12f}, {repeats} {many:.12f}, apart {abs(one - many):.1e} eV an atom")


def extensivity(model: LearnedModel) -> None:
    """Print how far the energy of two clusters far apart is from the sum."""
    first, second = bulk("Cu", cubic=True, a=A0) * (2, 2, 2), bulk("Cu", cubic=True, a=A0) * (3, 2, 2)
    for number, one in enumerate((first, second)):
        one.pbc = False
        one.rattle(0.1, seed=number)
    both = first + Atoms(second.numbers, second.positions + np.array([200.0, 0.0, 0.0]))
    total = energy(model, first) * len(first) + energy(model, second) * len(second)
    apart = abs(energy(model, both) * len(both) - total) / len(both)
    print(f"two clusters of {len(first)} and {len(second)} atoms: {apart:.1e} eV an atom from their sum")


def strain(model: LearnedModel) -> None:
    """Print the largest difference of stress and finite strain, relative to the stress."""
    atoms = bulk("Cu", cubic=True, a=A0) * (2, 2, 2)
    atoms.rattle(0.1, seed=1)
    own, positions = bound(model, atoms)
    stress = strained_surface(own, positions, STATE).stress[0]
    volume, step = float(torch.linalg.det(own.cell)), 1e-4
    numeric = torch.zeros(3, 3, dtype=torch.float64)
    for a in range(3):
        for b in range(3):
            ends = []
            for sign in (1, -1):
                change = torch.eye(3, dtype=torch.float64)
                change[a, b] += sign * step
                with torch.no_grad():
                    w = own.evaluate(positions @ change, cells=(own.cell @ change)[None]).hamiltonian
                ends.append(float(w[0, 0, 0]))
            numeric[a, b] = (ends[0] - ends[1]) / (2 * step * volume)
    numeric = 0.5 * (numeric + numeric.T)
    print(f"stress and finite strain: {float((stress - numeric).abs().max() / stress.abs().max()):.1e} apart")


def costs(model: LearnedModel, sizes: list[int]) -> None:
    """Print processor time and memory an atom of energy and forces, with a list kept and made."""
    for n in sizes:
        atoms = bulk("Cu", cubic=True, a=A0) * (n, n, n)
        atoms.rattle(0.05, seed=1)
        own, positions = bound(model, atoms)
        began = time.process_time()
        active_surface(own, positions, STATE)
        first = time.process_time() - began
        times = []
        for _ in range(3):
            began = time.process_time()
            active_surface(own, positions, STATE)
            times.append(time.process_time() - began)
        megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
        per_atom = 1e6 / len(atoms)
        print(
            f"{len(atoms)} atoms: {per_atom * min(times):.1f} µs an atom, {per_atom * first:.1f} with a new "
            f"list; {megabytes:.0f} MB at most so far",
            flush=True,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--sizes", type=int, nargs="*", default=[6, 10, 16, 24, 30])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    single = nadyn.load_model(arguments.model)
    double = single.double()
    for name, model in (("float64", double), ("float32", single)):
        print(name)
        supercells(model)
        extensivity(model)
        strain(model)
    costs(single, arguments.sizes)
