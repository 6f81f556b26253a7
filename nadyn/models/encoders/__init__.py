"""Descriptors of the surroundings of an atom: one file each, one table."""
