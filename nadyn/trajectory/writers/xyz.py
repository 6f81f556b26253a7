"""Geometries of a run, or of its starts, as .xyz, for VMD and everybody else.

The second line of a frame has `traj`, `time_fs`, `state` and `model_energies` [eV] of all states, which are
not read back as labels: they are those of the model. Positions are in ångström; velocities are not written.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nadyn.checks.errors import InputError
from nadyn.checks.output import new_file
from nadyn.structures import symbol
from nadyn.trajectory.initial_conditions import InitialConditions
from nadyn.trajectory.writers.chosen import Geometry
from nadyn.units import ANGSTROM_PER_BOHR, ELECTRONVOLT_PER_HARTREE


def write_geometries(
    path: str | Path, geometries: Sequence[Geometry], atomic_numbers: np.ndarray, *, overwrite: bool = False
) -> None:
    """Write geometries as frames of one .xyz file.

    Raises:
        InputError: The file exists and `overwrite` is False, or its folder does not exist.
        RunError: The disk is full.
    """
    symbols = [symbol(int(number)) for number in atomic_numbers]
    with (
        new_file(Path(path), overwrite=overwrite) as temporary,
        temporary.open("w", encoding="utf-8") as file,
    ):
        for one in geometries:
            time = "" if np.isnan(one.time_fs) else f" time_fs={one.time_fs:.6g}"
            energies = " ".join(repr(float(e)) for e in one.energies * ELECTRONVOLT_PER_HARTREE)
            words = "".join(f" {key}={value}" for key, value in one.words.items())
            cell = _lattice(one.cell)
            periodic = "F F F" if one.cell is None else "T T T"
            file.write(
                f"{len(symbols)}\n{cell}Properties=species:S:1:pos:R:3 traj={one.traj}{time} "
                f"state={one.state}{words} "
                f'model_energies="{energies}" pbc="{periodic}"\n'
            )
            for name, row in zip(symbols, one.positions * ANGSTROM_PER_BOHR, strict=True):
                file.write(f"{name} {' '.join(repr(float(x)) for x in row)}\n")


def write_starts(path: str | Path, initial: InitialConditions, *, overwrite: bool = False) -> None:
    """Write the geometries of initial conditions as frames of one .xyz file; momenta have no place.

    Raises:
        InputError: They are of no atoms, the file exists and `overwrite` is False, or its folder does not.
        RunError: The disk is full.
    """
    if initial.atomic_numbers is None:
        raise InputError("initial conditions must be of a molecule to be written as .xyz, but are not.")
    symbols = [symbol(int(number)) for number in initial.atomic_numbers]
    with (
        new_file(Path(path), overwrite=overwrite) as temporary,
        temporary.open("w", encoding="utf-8") as file,
    ):
        for traj, positions in enumerate(initial.positions * ANGSTROM_PER_BOHR):
            rows = (
                f"{name} {' '.join(repr(float(x)) for x in row)}\n"
                for name, row in zip(symbols, positions, strict=True)
            )
            periodic = " ".join("T" if one else "F" for one in initial.pbc)
            head = f'{_lattice(initial.cell)}Properties=species:S:1:pos:R:3 traj={traj} pbc="{periodic}"'
            file.write(f"{len(symbols)}\n{head}\n{''.join(rows)}")


def _lattice(cell: np.ndarray | None) -> str:
    """Return the key of a cell [bohr], nothing without one."""
    if cell is None:
        return ""
    vectors = " ".join(repr(float(x)) for x in (cell * ANGSTROM_PER_BOHR).ravel())
    return f'Lattice="{vectors}" '
