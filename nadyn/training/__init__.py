"""From a dataset to a model: losses, loop, evaluation."""
