"""OpenMM itself, and its units."""

from types import ModuleType

from nadyn.checks.errors import InputError
from nadyn.interfaces.bound_model import Program
from nadyn.units import to_atomic_units

OPENMM = Program("OpenMM", "Its cell is that of the surroundings.")

BOHR_PER_NM = to_atomic_units("nm", "length")
HARTREE_PER_KJ = to_atomic_units("kJ/mol", "energy")
# OpenMM's unit of force, kJ/mol/nm.
FORCE = HARTREE_PER_KJ / BOHR_PER_NM


def program() -> ModuleType:
    """Return the package openmm.

    Raises:
        InputError: It is not installed, or too old to call Python.
    """
    try:
        import openmm
    except ImportError as error:
        raise InputError(
            f"OpenMM must be installed for this, but is not: {error}. Install it: pip install "
            "'nadyn[openmm]'."
        ) from error
    # Since 8.5 there is a PythonForce, since 8.6 one of some particles.
    if not hasattr(getattr(openmm, "PythonForce", None), "setParticles"):
        raise InputError(
            f"OpenMM must be 8.6 or newer, whose PythonForce can be of some particles, but is "
            f"{openmm.__version__}. Install a newer one: pip install -U openmm."
        )
    return openmm
