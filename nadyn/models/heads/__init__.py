"""What a potential says beside its diabatic Hamiltonian: named outputs of the atoms' features."""
