"""Frames of an MD run of another program with their momenta: any file that ASE reads."""

from dataclasses import dataclass
from pathlib import Path

import ase.io
import numpy as np
from ase import units
from jaxtyping import Float, Int

from nadyn.checks.errors import InputError
from nadyn.checks.files import check_file
from nadyn.data.structure_file import NOT_READ
from nadyn.units import AU_PER_FEMTOSECOND, BOHR_PER_ANGSTROM, ELECTRON_MASS_PER_DALTON


@dataclass(frozen=True, eq=False)
class MovingFrames:
    """Geometries and momenta of one molecule.

    Attributes:
        atomic_numbers: One number an atom.
        masses: [electron mass].
        positions: [bohr].
        momenta: [electron mass * bohr / au of time].
    """

    atomic_numbers: Int[np.ndarray, "atom"]
    masses: Float[np.ndarray, "atom"]
    positions: Float[np.ndarray, "frame atom 3"]
    momenta: Float[np.ndarray, "frame atom 3"]


def read_moving_frames(path: str | Path) -> MovingFrames:
    """Read all frames of a file with their momenta.

    Raises:
        InputError: ASE cannot read it, a frame has no momenta or is periodic, or atoms differ.
    """
    path = Path(path)
    where = f"frames file {str(path)!r}"
    check_file(path, where)
    try:
        frames = ase.io.read(path, index=":")
    except NOT_READ as error:
        raise InputError(
            f"{where} must be a file that ASE can read, but is not: {str(error) or type(error).__name__}."
        ) from error
    first = frames[0]
    for number, one in enumerate(frames):
        if not np.array_equal(one.numbers, first.numbers):
            raise InputError(f"{where} must be of one molecule, but frame {number} has other atoms.")
        if one.pbc.any():
            raise InputError(f"{where} must be of a molecule without a cell, but frame {number} is periodic.")
        if not one.has("momenta"):
            raise InputError(
                f"{where} must have momenta, but frame {number} has none. Write them with `.traj` of ASE, or "
                "as a column `momenta`."
            )
    masses = first.get_masses() * ELECTRON_MASS_PER_DALTON
    velocities = np.stack([one.get_velocities() for one in frames])
    velocities *= units.fs * BOHR_PER_ANGSTROM / AU_PER_FEMTOSECOND
    return MovingFrames(
        first.numbers.astype(np.int64),
        masses,
        np.stack([one.positions for one in frames]) * BOHR_PER_ANGSTROM,
        velocities * masses[:, None],
    )
