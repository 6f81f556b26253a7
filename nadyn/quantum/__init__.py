"""Exact quantum dynamics of small models, for methods to be compared with."""

from nadyn.quantum.basis_propagation import basis_propagation
from nadyn.quantum.grids import Absorber, Grid
from nadyn.quantum.packets import Packet
from nadyn.quantum.quantum_run import QuantumRun
from nadyn.quantum.scattering import Scattering, scattering
from nadyn.quantum.split_operator import split_operator

__all__ = [
    "Absorber",
    "Grid",
    "Packet",
    "QuantumRun",
    "Scattering",
    "basis_propagation",
    "scattering",
    "split_operator",
]
