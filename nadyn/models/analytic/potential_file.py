"""The file of SHARC that describes a harmonic potential: `V0.txt`."""

from pathlib import Path

import torch

from nadyn.checks.errors import InputError
from nadyn.checks.files import check_file
from nadyn.models.analytic.normal_coordinates import NormalCoordinates
from nadyn.structures import atomic_number
from nadyn.units import ELECTRON_MASS_PER_DALTON

_TITLES = ("Geometry", "Frequencies", "Mass-weighted normal modes")
# Modes in such files are orthonormal to about five digits.
_ORTHONORMAL = 1e-3


def read_normal_coordinates(path: Path) -> tuple[NormalCoordinates, tuple[int, ...]]:
    """Return the vibrations of a `V0.txt`, and their numbers among all columns of the file, from 1.

    Lengths are in bohr, frequencies in hartree and masses in dalton. Columns with frequency 0, those of
    translations and rotations, are left out.

    Args:
        path: The file.

    Raises:
        InputError: The file is missing or not as described in the SHARC manual.
    """
    check_file(path, f"the file {str(path)!r} of the potential")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{path} must be a text file, but is not.") from error
    lines = [line.strip() for line in lines if line.strip()]
    if [line for line in lines if line in _TITLES] != list(_TITLES):
        raise InputError(f"{path} must have the sections {', '.join(_TITLES)} in this order, but has not.")
    places = [lines.index(title) for title in _TITLES]
    atoms = [line.split() for line in lines[places[0] + 1 : places[1]]]
    size = 3 * len(atoms)
    try:
        geometry = torch.tensor([[float(word) for word in words[2:]] for words in atoms], dtype=torch.float64)
        frequencies, vectors = (
            torch.tensor([[float(word) for word in line.split()] for line in part], dtype=torch.float64)
            for part in (lines[places[1] + 1 : places[2]], lines[places[2] + 1 :])
        )
    except ValueError as error:
        raise InputError(f"{path} must hold tables of numbers, but cannot be read: {error}.") from error
    if geometry.shape != (size // 3, 4) or frequencies.shape != (1, size) or vectors.shape != (size, size):
        raise InputError(
            f"{path} must have element, charge, x, y, z and mass for each atom, {size} frequencies and "
            f"{size} times {size} elements of modes for {len(atoms)} atoms, but has not."
        )
    vibrates = torch.nonzero(frequencies[0].abs() > 1e-9)[:, 0]
    kept = vectors[:, vibrates]
    if bool((frequencies[0] < -1e-9).any()) or len(vibrates) == 0:
        raise InputError(f"{path} must have real frequencies that are not all 0, but has not.")
    error = (kept.T @ kept - torch.eye(len(vibrates), dtype=torch.float64)).abs().max()
    if float(error) > _ORTHONORMAL:
        raise InputError(f"{path}: the mass-weighted modes must be orthonormal, but are not ({error:.1e}).")
    frame = NormalCoordinates(
        atomic_numbers=tuple(atomic_number(words[0]) for words in atoms),
        masses=geometry[:, 3] * ELECTRON_MASS_PER_DALTON,
        reference=geometry[:, :3].contiguous(),
        frequencies=frequencies[0, vibrates],
        vectors=kept.T.reshape(len(vibrates), -1, 3).contiguous(),
    )
    return frame, tuple(int(index) + 1 for index in vibrates)
