"""From the output of quantum chemistry to datasets and batches."""
