"""A learned model as an ASE calculator: relax a molecule, heat it, and watch the total energy.

    python examples/04_ase_md.py [model.safetensors] [--state 0] [--steps 400] [--output ase]

Without a model file: the shipped model of hexafluoro-2-butene. Any tool of ASE takes the calculator; here
BFGS and velocity Verlet.
"""

import argparse
from pathlib import Path

import numpy as np
from ase import Atoms, units
from ase.io import write
from ase.md.verlet import VelocityVerlet
from ase.optimize import BFGS

import nadyn
from nadyn.units import ANGSTROM_PER_BOHR


def main() -> None:
    """Relax, run at constant energy, print what happened, write both geometries."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", type=Path)
    parser.add_argument("--state", type=int, default=0)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--output", type=Path, default=Path("ase"))
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    shipped = "hexafluorobutene/hexafluorobutene.safetensors"
    model = nadyn.load_model(options.model or nadyn.shipped.path(shipped))

    atoms = Atoms(numbers=model.atomic_numbers, positions=model.starting_geometry.numpy() * ANGSTROM_PER_BOHR)
    atoms.calc = nadyn.ase_calculator(model, state=options.state)
    relaxation = BFGS(atoms, logfile=None)
    converged = relaxation.run(fmax=0.01, steps=500)
    force = np.linalg.norm(atoms.get_forces(), axis=1).max()
    print(f"relaxed: {converged}, {relaxation.nsteps} steps, largest force {force:.4f} eV/Å")
    write(options.output / "relaxed.xyz", atoms)

    masses = atoms.get_masses()[:, None]
    momenta = np.random.default_rng(1).normal(size=(len(atoms), 3)) * np.sqrt(masses * units.kB * 300)
    atoms.set_momenta(momenta - masses * momenta.sum(0) / masses.sum())
    energies = []
    dynamics = VelocityVerlet(atoms, timestep=0.25 * units.fs)
    dynamics.attach(lambda: energies.append(atoms.get_total_energy()))
    dynamics.run(options.steps)
    time_fs = 0.25 * options.steps
    spread = 1e3 * (max(energies) - min(energies))
    print(f"total energy over {time_fs:g} fs: within {spread:.2f} meV")
    print(f"temperature at the end: {atoms.get_temperature():.0f} K")
    write(options.output / "last.xyz", atoms)


if __name__ == "__main__":
    main()
