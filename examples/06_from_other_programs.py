"""From single points of SHARC or Newton-X, a folder each, to a dataset.

    python examples/06_from_other_programs.py sharc     geometry_*/            --output data.h5
    python examples/06_from_other_programs.py newton-x  TRAJ*/TEMP/            --output data.h5

Whole trajectories of SHARC (`output.dat`), training files of PyRAI2MD and databases of SchNarc and
SPaiNN need no script: `nadyn convert` reads them. Each reader here returns arrays in atomic units:
positions, energies, forces (minus the gradient) and the interstate couplings h, which are the derivative
couplings d of SHARC and Newton-X times the energy difference. Copy the one you need and change what
differs in your version of the program; `group_from_arrays` checks shapes, the sign of the forces and the
order of the states, and `nadyn info data.h5` shows what came out.
"""

import argparse
import re
from itertools import combinations
from pathlib import Path

import numpy as np

from nadyn.data import Dataset, group_from_arrays, write_dataset
from nadyn.structures import atomic_number
from nadyn.units import BOHR_PER_ANGSTROM


def read_sharc(folder: Path) -> dict[str, object]:
    """Read QM.in and QM.out of one geometry, all states singlets."""
    lines = (folder / "QM.in").read_text(encoding="utf-8").splitlines()
    n_atoms = int(lines[0])
    atoms = [line.split() for line in lines[2 : 2 + n_atoms]]
    in_bohr = any(line.split() == ["unit", "bohr"] for line in lines[2 + n_atoms :])
    positions = np.array([[float(x) for x in atom[1:4]] for atom in atoms])
    blocks = {}
    for block in re.split(r"^! ", (folder / "QM.out").read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        flag, _, body = block.partition("\n")
        # Behind an exclamation mark stand the names of the states, not numbers.
        blocks[int(flag.split()[0])] = [
            [float(x) for x in line.partition("!")[0].split()] for line in body.splitlines() if line.strip()
        ]
    hamiltonian = np.array(blocks[1][1:])
    n = len(hamiltonian)
    energies = np.diag(hamiltonian[:, 0::2])
    # One line with the shape stands before each geometry-sized block.
    gradients = np.array([row for row in blocks[3] if len(row) == 3]).reshape(n, n_atoms, 3)
    arrays = {
        "atomic_numbers": [atomic_number(atom[0]) for atom in atoms],
        "positions": positions * (1.0 if in_bohr else BOHR_PER_ANGSTROM),
        "energies": energies,
        "forces": -gradients,
    }
    if 5 in blocks:
        derivative = np.array([row for row in blocks[5] if len(row) == 3]).reshape(n, n, n_atoms, 3)
        arrays["interstate_couplings"] = np.array(
            [derivative[k, l] * (energies[l] - energies[k]) for k, l in combinations(range(n), 2)]
        )
    return arrays


def read_newton_x(folder: Path) -> dict[str, object]:
    """Read geom, epot, grad.all and nad_vectors of one geometry (Newton-X 2, all in atomic units)."""
    lines = (folder / "geom").read_text(encoding="utf-8").splitlines()
    atoms = [line.split() for line in lines if line.strip()]
    energies = np.loadtxt(folder / "epot").reshape(-1)
    n, n_atoms = len(energies), len(atoms)
    arrays = {
        "atomic_numbers": [int(float(atom[1])) for atom in atoms],
        "positions": np.array([[float(x) for x in atom[2:5]] for atom in atoms]),
        "energies": energies,
        "forces": -np.loadtxt(folder / "grad.all").reshape(n, n_atoms, 3),
    }
    if (folder / "nad_vectors").exists():
        vectors = np.loadtxt(folder / "nad_vectors").reshape(-1, n_atoms, 3)
        # Newton-X has the pairs in the order 21, 31, 32, 41, ...
        pairs = [(l, k) for k in range(n) for l in range(k)]
        derivative = dict(zip(pairs, vectors, strict=True))
        arrays["interstate_couplings"] = np.array(
            [derivative[k, l] * (energies[l] - energies[k]) for k, l in combinations(range(n), 2)]
        )
    return arrays


def dataset_of(frames: list[dict[str, object]], name: str, **texts: str) -> Dataset:
    """Return a dataset of frames with the same atoms; labels that one frame lacks are left out of all."""
    keys = set.intersection(*(set(frame) for frame in frames)) - {"atomic_numbers"}
    arrays = {key: np.array([frame[key] for frame in frames]) for key in keys}
    return Dataset((group_from_arrays(name, atomic_numbers=frames[0]["atomic_numbers"], **arrays, **texts),))


def main() -> None:
    """Read what the command line names and write a dataset."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", choices=("sharc", "newton-x"))
    parser.add_argument("paths", type=Path, nargs="+")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--name", default="molecule")
    options = parser.parse_args()
    read = read_sharc if options.program == "sharc" else read_newton_x
    frames = [read(path) for path in options.paths]
    dataset = dataset_of(frames, options.name, source=f"{options.program} output")
    write_dataset(options.output, dataset)
    group = dataset.groups[0]
    print(f"{group.n_frames} frames, {group.n_atoms} atoms, {group.n_states} states: {options.output}")


if __name__ == "__main__":
    main()
