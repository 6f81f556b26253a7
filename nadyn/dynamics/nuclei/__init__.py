"""Motion of the nuclei on a given force."""
