"""OpenMM and a model, which has some of the atoms: OpenMM moves all of them, or nadyn does."""

from nadyn.interfaces.openmm.embedding import embed as embed
from nadyn.interfaces.openmm.surroundings import InSurroundings as InSurroundings
from nadyn.interfaces.openmm.surroundings import in_surroundings as in_surroundings
