"""Small molecules with a formula whose states differ in symmetry: every coupling is zero where it must be."""

from nadyn.models.analytic.molecules.jahn_teller import jahn_teller
from nadyn.models.analytic.molecules.renner_teller import renner_teller
from nadyn.models.analytic.molecules.symmetric_molecule import SymmetricMolecule
from nadyn.models.analytic.molecules.trans_planar import trans_planar
from nadyn.models.analytic.molecules.twisted import twisted

__all__ = ["SymmetricMolecule", "jahn_teller", "renner_teller", "trans_planar", "twisted"]
