"""Learned models as machine code: the same numbers as the networks of torch, several times as fast."""
