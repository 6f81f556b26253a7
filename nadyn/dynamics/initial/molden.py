"""Normal modes from a Molden file (`[FREQ]`, `[FR-COORD]`, `[FR-NORM-COORD]`), as QM programs write them.

Geometry in bohr, frequencies in cm⁻¹. Programs scale the displacements in different ways: Cartesian ones of
any length (Molpro, Molcas, Gaussian, ORCA, Turbomole), or mass-weighted ones. The way is found by what must
be true: mass-weighted modes e_m are orthonormal. Translations and rotations are left out where they are
listed. Masses are not in the file; they are those of the most abundant isotopes.

Source: the Molden format, www.theochem.ru.nl/molden; the ways are those that `wigner.py` of SHARC tells
apart.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nadyn.checks.errors import InputError
from nadyn.checks.files import check_file
from nadyn.checks.packed import beginning, whole_content
from nadyn.dynamics.initial.normal_modes import NormalModes, bends_of, rigid_motions
from nadyn.dynamics.initial.section import InitialSection
from nadyn.dynamics.initial.wigner import sample_modes, without_rotation
from nadyn.structures import atomic_number, masses
from nadyn.trajectory.initial_conditions import InitialConditions
from nadyn.units import HARTREE_PER_INVERSE_CM

_LAWS = frozenset({"translation", "rotation"})
# Largest overlap of two modes that are to be orthogonal: files have few digits.
_ORTHOGONAL = 0.02
# A listed mode with a larger part than this among rigid motions is one.
_RIGID = 0.5


@dataclass(frozen=True, eq=False)
class MoldenModes:
    """Oscillators of a file, and its atoms."""

    modes: NormalModes
    atomic_numbers: np.ndarray


def is_molden(path: Path) -> bool:
    """Return whether a file is a Molden file with frequencies."""
    return beginning(path).lstrip().lower().startswith(b"[molden format]")


def read_molden_modes(path: str | Path) -> MoldenModes:
    """Read the vibrations of a molecule about a minimum.

    Raises:
        InputError: The file is missing or damaged, holds no frequencies, modes that are orthogonal in no way,
            or an imaginary frequency.
    """
    path = Path(path)
    where = f"Molden file {str(path)!r}"
    check_file(path, where)
    try:
        text = whole_content(path).decode("utf-8", "replace")
    except (InputError, OSError) as error:
        raise InputError(f"{where} must be readable and whole, but is not.") from error
    sections = _sections(text)
    for name in ("FREQ", "FR-COORD", "FR-NORM-COORD"):
        if name not in sections:
            raise InputError(
                f"{where} must have a section [{name}], but has none. Write one after a computation of "
                "frequencies; orbitals alone are no start."
            )
    try:
        frequencies = np.array([float(word) for word in sections["FREQ"].split()])
        rows = [line.split() for line in sections["FR-COORD"].splitlines() if line.strip()]
        numbers = np.array([atomic_number(re.sub(r"\d+$", "", row[0]).capitalize()) for row in rows])
        centre = np.array([[float(x) for x in row[1:4]] for row in rows])
        parts = re.split(
            r"^\s*vibration\s+\d+\s*$", sections["FR-NORM-COORD"], flags=re.MULTILINE | re.IGNORECASE
        )
        vectors = np.array([[float(x) for x in part.split()] for part in parts[1:]])
    except (ValueError, IndexError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{where} must hold numbers in its sections of frequencies, but does not."
        ) from error
    n_atoms = len(numbers)
    shapes = frequencies.shape, centre.shape, vectors.shape
    if n_atoms < 2 or shapes != ((len(vectors),), (n_atoms, 3), (len(vectors), 3 * n_atoms)):
        raise InputError(
            f"{where} must hold 3 displacements of each of {n_atoms} atoms for each of {len(frequencies)} "
            "frequencies, but does not: it may be cut."
        )
    if not all(np.isfinite(array).all() for array in (frequencies, centre, vectors)):
        raise InputError(f"{where} must hold finite numbers, but does not.")
    return MoldenModes(_modes(frequencies, centre, vectors.reshape(-1, n_atoms, 3), numbers, where), numbers)


def sample_molden(found: MoldenModes, section: InitialSection, *, seed: int, name: str) -> InitialConditions:
    """Return a sample of the oscillators of a Molden file, without total momentum and rotation.

    Args:
        found: The oscillators.
        section: How to sample; `state` is kept.
        seed: Seed of the random numbers.
        name: What the file is called.
    """
    positions, momenta = sample_modes(
        found.modes,
        section.n,
        distribution=section.sample,
        temperature_kelvin=section.temperature_kelvin,
        seed=seed,
        first=section.first_number,
        quanta=section.quanta(len(found.modes.frequencies)),
    )
    return InitialConditions(
        positions=positions,
        momenta=without_rotation(positions, momenta, found.modes.masses),
        weight=np.ones(len(positions)),
        masses=found.modes.masses,
        atomic_numbers=found.atomic_numbers,
        state=section.state,
        diabatic_state=None,
        origin=f"{section.sample} sample at {section.temperature_kelvin:g} K{section.excitation} of the "
        f"modes in {name}, seed {seed}",
        temperature_kelvin=section.temperature_kelvin,
    )


def _sections(text: str) -> dict[str, str]:
    parts = re.split(r"^\s*\[([^\]\n]+)\][^\n]*$", text, flags=re.MULTILINE)
    return {name.strip().upper(): body for name, body in zip(parts[1::2], parts[2::2], strict=True)}


def _modes(
    frequencies: np.ndarray, centre: np.ndarray, given: np.ndarray, numbers: np.ndarray, where: str
) -> NormalModes:
    mass = masses(numbers)
    centre = centre - (mass[:, None] * centre).sum(0) / mass.sum()
    rigid = rigid_motions(centre, mass, laws=_LAWS)
    n_vibrations = centre.size - len(rigid)
    # Cartesian displacements times the root of the mass, or what is mass-weighted already.
    ways = {"cartesian": given * np.sqrt(mass)[:, None], "mass-weighted": given}
    found = {}
    for way, vectors in ways.items():
        lengths = np.linalg.norm(vectors.reshape(len(vectors), -1), axis=1)
        flat = vectors.reshape(len(vectors), -1) / np.where(lengths > 0, lengths, 1.0)[:, None]
        inner = ((flat @ rigid.T) ** 2).sum(axis=1) < _RIGID
        kept = flat[inner & (lengths > 0)]
        off = np.abs(kept @ kept.T - np.eye(len(kept))).max(initial=0.0)
        if len(kept) == n_vibrations:
            found[way] = (off, kept, frequencies[inner & (lengths > 0)])
    if not found or min(found.values(), key=lambda one: one[0])[0] > _ORTHOGONAL:
        raise InputError(
            f"{where} must hold {n_vibrations} vibrations that are orthogonal, mass-weighted or as Cartesian "
            "displacements, but does not. Are masses of other isotopes meant, or is the file cut?"
        )
    _, vectors, values = min(found.values(), key=lambda one: one[0])
    if (values <= 0).any():
        raise InputError(
            f"{where}: every frequency must be real, but one of the vibrations is {values.min():.1f} "
            "cm-1: the "
            "geometry is no minimum."
        )
    order = np.argsort(values, kind="stable")
    # To the last digit, and free of rigid motion: those of the file are it to theirs.
    inner = vectors[order] - (vectors[order] @ rigid.T) @ rigid
    left, _, right = np.linalg.svd(inner, full_matrices=False)
    orthonormal = (left @ right).reshape(-1, *centre.shape)
    return NormalModes(
        centre, mass, values[order] * HARTREE_PER_INVERSE_CM, orthonormal, bends_of(orthonormal, centre, mass)
    )
