"""What a run writes and reads: initial conditions, trajectories, digests. NumPy and HDF5 only."""
