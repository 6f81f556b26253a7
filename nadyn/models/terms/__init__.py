"""Energies that are added to those of the network."""
