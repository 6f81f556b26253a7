"""The state of a batch of trajectories, its energies and random numbers: what all rooms share."""
