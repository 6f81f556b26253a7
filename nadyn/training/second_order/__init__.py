"""Energies, forces and couplings with the gradient of any loss of them, written out by hand."""
