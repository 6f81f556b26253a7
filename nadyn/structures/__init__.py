"""Molecules: elements, masses, distances, geometries."""

from nadyn.structures.distances import pair_distances
from nadyn.structures.elements import atomic_number, is_element, isotope_mass, isotope_symbol, masses, symbol
from nadyn.structures.geometry import Structure, check_apart, formula, read_xyz

__all__ = [
    "Structure",
    "atomic_number",
    "check_apart",
    "formula",
    "is_element",
    "isotope_mass",
    "isotope_symbol",
    "masses",
    "pair_distances",
    "read_xyz",
    "symbol",
]
