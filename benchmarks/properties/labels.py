"""Water and methanol with dipoles and polarisabilities: RHF/6-31+G* by PySCF.

python labels.py frames water.npz                  400 frames around the minimum; goes on where it was stopped
python labels.py frames water_test.npz --n 60 --seed 8
python labels.py harmonic water_harmonic.npz       minimum, central differences of what is learned
python labels.py dataset water.npz water.h5        the frames as a dataset of nadyn

The name of the file begins with the molecule. Needs `pip install pyscf pyscf-properties`.
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
from pyscf import gto, scf
from scipy.optimize import minimize

from nadyn.data import Dataset, group_from_arrays, write_dataset
from nadyn.structures import atomic_number, masses
from nadyn.units import BOHR_PER_ANGSTROM, HARTREE_PER_KELVIN

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from pyscf.prop.polarizability.rhf import Polarizability

BASIS = "6-31+g*"
TEMPERATURE = 300.0 * HARTREE_PER_KELVIN
STEP = 0.01
MOLECULES = {
    "water": ("OHH", [[0, 0, 0.12], [0, 0.76, -0.48], [0, -0.76, -0.48]]),
    "methanol": (
        "COHHHH",
        [
            [-0.047, 0.664, 0],
            [-0.047, -0.758, 0],
            [0.87, -1.05, 0],
            [-1.09, 0.97, 0],
            [0.44, 1.07, 0.89],
            [0.44, 1.07, -0.89],
        ],
    ),
}


def solve(name: str, positions: np.ndarray) -> dict[str, np.ndarray]:
    """Return energy, force, dipole and polarisability at positions [bohr], in atomic units."""
    atoms = list(zip(MOLECULES[name][0], positions.tolist(), strict=True))
    molecule = gto.M(atom=atoms, basis=BASIS, unit="bohr", verbose=0)
    field = scf.RHF(molecule)
    field.conv_tol = 1e-11
    field.kernel()
    if not field.converged:
        raise RuntimeError("the Hartree-Fock equations did not converge")
    return {
        "energy": np.array(field.e_tot),
        "force": -field.nuc_grad_method().kernel(),
        "dipole": field.dip_moment(unit="AU", verbose=0),
        "polarisability": Polarizability(field).polarizability(),
    }


def minimum(name: str) -> np.ndarray:
    """Return the positions of the minimum [bohr]."""
    start = np.array(MOLECULES[name][1]) * BOHR_PER_ANGSTROM

    def energy_and_gradient(flat: np.ndarray) -> tuple[float, np.ndarray]:
        found = solve(name, flat.reshape(-1, 3))
        return float(found["energy"]), -found["force"].ravel()

    options = {"gtol": 1e-6}
    return minimize(energy_and_gradient, start.ravel(), jac=True, method="BFGS", options=options).x.reshape(
        -1, 3
    )


def harmonic(name: str, path: Path) -> None:
    """Write the minimum and central differences there; the first axis of a derivative is the coordinate."""
    at = minimum(name)
    slopes: dict[str, list[np.ndarray]] = {"force": [], "dipole": [], "polarisability": []}
    for coordinate in range(at.size):
        moved = np.zeros(at.size)
        moved[coordinate] = STEP
        up, down = (solve(name, at + sign * moved.reshape(at.shape)) for sign in (1, -1))
        for key, values in slopes.items():
            values.append((up[key] - down[key]) / (2 * STEP))
    np.savez(path, positions=at, **solve(name, at), **{f"{k}_slopes": np.stack(v) for k, v in slopes.items()})


def frames(name: str, path: Path, n_frames: int, seed: int) -> None:
    """Write frames drawn from the Wigner distribution of the harmonic molecule, each by its own scale."""
    where = path.with_name(f"{name}_harmonic.npz")
    if not where.exists():
        harmonic(name, where)
    known = np.load(where)
    at = known["positions"]
    mass = np.repeat(_masses(name), 3)
    hessian = -0.5 * (
        known["force_slopes"].reshape(at.size, -1) + known["force_slopes"].reshape(at.size, -1).T
    )
    squares, modes = np.linalg.eigh(hessian / np.sqrt(mass[:, None] * mass))
    frequencies, modes = np.sqrt(squares[6:]), modes[:, 6:]
    width = np.sqrt(0.5 / (frequencies * np.tanh(0.5 * frequencies / TEMPERATURE)))
    generator = np.random.default_rng(seed)
    scale = generator.uniform(0.3, 1.3, (n_frames, 1))
    normal = scale * width * generator.standard_normal((n_frames, len(width)))
    positions = at + ((normal @ modes.T) / np.sqrt(mass)).reshape(n_frames, -1, 3)
    found = dict(np.load(path)) if path.exists() else {}
    done = len(found.get("energy", ()))
    pending: list[dict[str, np.ndarray]] = []
    for frame in range(done, n_frames):
        pending.append(solve(name, positions[frame]) | {"positions": positions[frame]})
        if len(pending) == 10 or frame == n_frames - 1:
            new = {key: np.stack([one[key] for one in pending]) for key in pending[0]}
            found = {key: np.concatenate([found[key], new[key]]) if key in found else new[key] for key in new}
            pending = []
            np.savez(path.with_suffix(".part.npz"), **found)
            path.with_suffix(".part.npz").replace(path)
            print(f"{frame + 1} of {n_frames} frames", flush=True)


def dataset(name: str, path: Path, output: Path) -> None:
    """Write the frames as a dataset: dipoles and polarisabilities of the ground state."""
    found = np.load(path)
    group = group_from_arrays(
        name,
        atomic_numbers=[atomic_number(letter) for letter in MOLECULES[name][0]],
        positions=found["positions"],
        energies=found["energy"][:, None],
        forces=found["force"][:, None],
        dipoles=found["dipole"][:, None, None],
        polarisabilities=found["polarisability"][:, None],
        charge=0,
        multiplicities=(1,),
        theory="RHF/6-31+G*",
        source="benchmarks/properties",
        licence="MIT",
    )
    write_dataset(output, Dataset((group,)))


def _masses(name: str) -> np.ndarray:
    return masses(tuple(atomic_number(letter) for letter in MOLECULES[name][0]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["frames", "harmonic", "dataset"])
    parser.add_argument("path", type=Path)
    parser.add_argument("output", type=Path, nargs="?")
    parser.add_argument("--n", type=int, default=400)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    molecule_name = arguments.path.name.split("_")[0].split(".")[0]
    if arguments.what == "dataset":
        dataset(molecule_name, arguments.path, arguments.output)
    elif arguments.what == "frames":
        frames(molecule_name, arguments.path, arguments.n, arguments.seed)
    else:
        harmonic(molecule_name, arguments.path)
