"""A skew cell of 24 atoms that feel each other, and it in LAMMPS."""

import numpy as np
from contracts.untrained import untrained

from nadyn.interfaces.lammps import start
from nadyn.models.learned import LearnedModel

ELEMENTS = ["H", "C", "N", "F"]
CELL = np.array([[7.3, 0.0, 0.0], [0.7, 6.1, 0.0], [-0.5, 0.4, 8.2]])
_GRID = np.stack(np.meshgrid(range(3), range(2), range(4), indexing="ij"), -1).reshape(-1, 3)


def atoms() -> tuple[np.ndarray, np.ndarray]:
    """Return types, from 1, and positions [Å]."""
    rng = np.random.default_rng(1)
    scaled = _GRID / [3, 2, 4] + 0.1 + rng.uniform(-0.05, 0.05, _GRID.shape)
    return rng.integers(1, 5, len(_GRID)), scaled @ CELL


def potential(encoder: str) -> LearnedModel:
    """Return an atomic sum with random weights that sees 2.6 Å far, with messages twice that."""
    return untrained(encoder, None, cutoff=5.0, repulsion=2.5).double()


def in_lammps(units: str, *, before: tuple[str, ...] = (), boundary: str = "p p p"):
    """Return a LAMMPS with these atoms."""
    lmp = start(("-screen", "none", "-log", "none"))
    lmp.commands_list([f"units {units}", f"boundary {boundary}", "atom_style atomic", *before])
    x, y, z = np.diag(CELL)
    lmp.command(f"region box prism 0 {x} 0 {y} 0 {z} {CELL[1, 0]} {CELL[2, 0]} {CELL[2, 1]}")
    lmp.commands_list(["create_box 4 box", "mass * 12.0", "neighbor 1.0 bin"])
    types, positions = atoms()
    # LAMMPS has them in another order than their IDs, as it will after some time anyway.
    ids = list(range(len(types), 0, -1))
    lmp.create_atoms(len(types), ids, types[::-1].tolist(), positions[::-1].ravel().tolist())
    lmp.command("thermo_style custom step temp etotal pe press pxx pyy pzz pxy pxz pyz")
    return lmp


def own(lmp, name: str) -> np.ndarray:
    """Return an array of the atoms of this processor, in the order of their IDs."""
    n = lmp.extract_setting("nlocal")
    return np.array(lmp.numpy.extract_atom(name)[:n])[np.argsort(lmp.numpy.extract_atom("id")[:n])]
