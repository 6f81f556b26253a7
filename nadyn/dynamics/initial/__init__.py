"""Where trajectories start: Wigner and thermal samples, scattering starts, files."""

from nadyn.dynamics.initial.sample import sample, sample_oscillators, start_state
from nadyn.dynamics.initial.section import InitialSection

__all__ = ["InitialSection", "sample", "sample_oscillators", "start_state"]
