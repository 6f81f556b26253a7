"""A label source as a model: W = diag(E) in states that are followed along a trajectory."""
