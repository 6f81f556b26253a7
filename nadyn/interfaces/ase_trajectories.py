"""Trajectories and geometries of a run as atoms of ASE, and as its `.traj` files."""

from collections.abc import Sequence
from pathlib import Path

import ase
import numpy as np
from ase.io.trajectory import TrajectoryWriter

from nadyn.checks.output import new_file
from nadyn.trajectory.reader import Run
from nadyn.trajectory.writers.chosen import Geometry, as_run, geometries
from nadyn.units import ANGSTROM_PER_BOHR, ELECTRON_MASS_PER_DALTON, ELECTRONVOLT_PER_HARTREE


def to_ase(
    path: str | Path | Run, *, kind: str = "all", trajectories: Sequence[int] | None = None
) -> list[ase.Atoms]:
    """Return geometries of a run as atoms of ASE with momenta and masses; the rest stands in `info`.

    A run of a vibronic model in the normal coordinates of a molecule becomes one of its atoms.
    Trajectory by trajectory; `info` has `traj`, `time_fs`, `state` and `model_energies` [eV]. No calculator
    is attached: see `nadyn.ase_calculator`.

    Args:
        path: A trajectory file of a molecule, or an open run, such as several as one.
        kind: all, hops, ends or stops, see `nadyn.trajectory.writers.chosen.geometries`.
        trajectories: Numbers of those that are wanted; all if None.

    Raises:
        InputError: As `geometries`, or the model of a run in normal coordinates is gone.
    """
    from nadyn.dynamics.run.molecule_of_run import molecule_of_run

    run = as_run(path)
    molecule = molecule_of_run(run.path)
    atoms = run if molecule is None else molecule
    found = geometries(run, kind, trajectories, molecule)
    return [_atoms(one, atoms.atomic_numbers, atoms.masses) for one in found]


def write_ase_trajectory(path: str | Path, frames: Sequence[ase.Atoms], *, overwrite: bool = False) -> None:
    """Write frames as a `.traj` file of ASE.

    Raises:
        InputError: The file exists and `overwrite` is False, or its folder does not exist.
        RunError: The disk is full.
    """
    with (
        new_file(Path(path), overwrite=overwrite) as temporary,
        TrajectoryWriter(str(temporary), "w") as file,
    ):
        for atoms in frames:
            file.write(atoms)


def _atoms(one: Geometry, numbers: np.ndarray, masses: np.ndarray) -> ase.Atoms:
    # ASE's unit of mass is u and its unit of time makes energies eV: p²/2m in eV is the same number here.
    momentum = np.sqrt(ELECTRONVOLT_PER_HARTREE / ELECTRON_MASS_PER_DALTON)
    return ase.Atoms(
        numbers=numbers,
        positions=one.positions * ANGSTROM_PER_BOHR,
        momenta=one.momenta * momentum,
        masses=masses / ELECTRON_MASS_PER_DALTON,
        cell=None if one.cell is None else one.cell * ANGSTROM_PER_BOHR,
        pbc=one.cell is not None,
        info={
            "traj": one.traj,
            "time_fs": one.time_fs,
            "state": one.state,
            "model_energies": (one.energies * ELECTRONVOLT_PER_HARTREE).tolist(),
            **one.words,
        },
    )
