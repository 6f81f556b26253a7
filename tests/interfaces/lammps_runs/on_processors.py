"""Twenty steps of the crystal on as many processors as there are: positions and energies; see the test."""

import sys
from pathlib import Path

import numpy as np
import torch

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]
from contracts.untrained import untrained
from crystal import ELEMENTS, in_lammps, potential
from mpi4py import MPI

from nadyn.interfaces.lammps import drive

torch.set_num_threads(1)
encoder, case = sys.argv[1], "".join(sys.argv[2:])
model = potential(encoder)
if case == "charges":
    model = untrained("moments", None, formal_charges=(1.0, -4.0, -1.0, -1.0), cutoff=5.0)
if case == "states":
    model = untrained("moments", "2x0e", cutoff=5.0)
lmp = in_lammps("metal")
drive(lmp, model, ELEMENTS, skin=0.001 if case == "skin" else 1.0, state=0)
lmp.commands_list(["velocity all create 900 7 loop geom mom yes", "fix 1 all nve", "timestep 0.0005"])
# Atoms change processors, and ghosts are chosen anew.
lmp.command("neigh_modify every 3 delay 0 check no")
if case == "thin":
    lmp.command("comm_modify cutoff 6.0")
lmp.command("run 20")
n = lmp.extract_setting("nlocal")
mine = [
    (int(i), *x) for i, x in zip(lmp.numpy.extract_atom("id")[:n], lmp.numpy.extract_atom("x"), strict=False)
]
rows = MPI.COMM_WORLD.gather(mine)
thermo = [lmp.get_thermo(name) for name in ("pe", "etotal", "pxx", "pxy", "pyz")]
if rows is not None:
    places = np.array(sorted(row for part in rows for row in part))
    print(" ".join(f"{number:.15g}" for number in [*thermo, *places.ravel()]))
lmp.close()
