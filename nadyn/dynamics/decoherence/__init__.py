"""Corrections to the coefficients at the end of a step: one file each, one table."""
