"""LAMMPS moves the atoms on the energies of a model: one call, `drive`."""

from nadyn.interfaces.lammps.driver import Driver as Driver
from nadyn.interfaces.lammps.driver import drive as drive
from nadyn.interfaces.lammps.program import start as start
