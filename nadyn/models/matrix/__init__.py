"""The diabatic Hamiltonian in a latent basis of irreducible representations."""
