"""Electronic coefficients over one step of the nuclei."""
