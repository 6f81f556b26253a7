"""Spectra of a model: vibrations, and excitations of an ensemble of geometries."""
