"""Surfaces to trajectories: surface hopping, molecular dynamics, the runner."""
