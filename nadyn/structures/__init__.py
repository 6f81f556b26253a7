"""Molecules: elements, masses, distances, geometries."""

from nadyn.structures.distances import pair_distances
from nadyn.structures.elements import atomic_number, isotope_mass, masses, symbol
from nadyn.structures.geometry import Structure, formula, read_xyz

__all__ = [
    "Structure",
    "atomic_number",
    "formula",
    "isotope_mass",
    "masses",
    "pair_distances",
    "read_xyz",
    "symbol",
]
