"""Products of matrices as machine code: with the updates of Muon they are half of a training step."""
