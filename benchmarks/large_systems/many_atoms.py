"""Steps of LAMMPS on a model for many atoms: time, memory, and what processors agree on.

    [mpiexec -n 2] python benchmarks/large_systems/many_atoms.py [--cells 30] [--steps 2]

Copper, 4 atoms a cell, displaced at random, with a network of random weights (moments, 5.5 Å, 64-64 nodes,
float32): it costs what a trained one does. The first evaluation makes the lists and is not counted.
"""

import argparse
import resource
import time

import numpy as np
import torch

from nadyn.interfaces.lammps import drive, start
from nadyn.models.atomic_network import NetworkSettings
from nadyn.models.encoders.density_moments import MomentsSettings
from nadyn.models.learned import LearnedModel
from nadyn.models.potential import Potential, atomic_sum
from nadyn.units import BOHR_PER_ANGSTROM

CONSTANT = 3.6


def potential() -> LearnedModel:
    """Return an atomic sum with random weights."""
    torch.manual_seed(1)
    encoder = MomentsSettings((29,), 5.5 * BOHR_PER_ANGSTROM, 1.5, 8, 4, "polynomial")
    network = Potential(atomic_sum(NetworkSettings(encoder, (64, 64))))
    network.requires_grad_(False)
    network.reference.scale.fill_(0.05)
    close = torch.full((1, 1), 1.0, dtype=torch.float64)
    return LearnedModel("random", network, (29,), None, close)


def main() -> None:
    """Move them, print what it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=30)
    parser.add_argument("--steps", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(1)
    lmp = start(["-screen", "none", "-log", "none"])
    n = options.cells
    lmp.commands_string(f"""
        units metal
        lattice fcc {CONSTANT}
        region box block 0 {n} 0 {n} 0 {n}
        create_box 1 box
        create_atoms 1 box
        displace_atoms all random 0.1 0.1 0.1 7
        mass 1 63.5
        neighbor 1.0 bin
        thermo_style custom step temp pe etotal press
        timestep 0.001
        velocity all create 300 1
        fix move all nve
        """)
    drive(lmp, potential(), ["Cu"], skin=1.0)
    lmp.command("run 0")
    energy, pressure = lmp.get_thermo("pe"), lmp.get_thermo("press")
    clock, processor = time.perf_counter(), time.process_time()
    lmp.command(f"run {options.steps} pre no post no")
    clock, processor = time.perf_counter() - clock, time.process_time() - processor
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    mine = np.array([clock, processor, memory]) / [options.steps, options.steps, 1.0]
    comm = lmp.get_mpi_comm()
    every = comm.gather(mine)
    atoms = int(lmp.get_natoms())
    if comm.rank == 0:
        print(f"{atoms} atoms, {comm.size} processors: {energy / atoms:.9f} eV an atom, {pressure:.6f} bar")
        for rank, (wall, busy, peak) in enumerate(every):
            print(f"  {rank}: {wall:.2f} s a step, {busy:.2f} s of the processor, at most {peak:.2f} GB")


if __name__ == "__main__":
    main()
