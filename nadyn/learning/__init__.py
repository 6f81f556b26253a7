"""From a molecule to its photochemistry: labels, rounds of training, and when to stop asking."""
