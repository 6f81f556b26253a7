"""Vibrations of a molecule as a program has written them: what must be true of modes tells what they are.

Programs scale displacements in different ways: Cartesian ones of any length (Molpro, Molcas, Gaussian, ORCA,
Turbomole), or mass-weighted ones. The way is found by what must be true: mass-weighted modes e_m are
orthonormal. Translations and rotations are left out where they are listed. Masses are not in the files; they
are those of the most abundant isotopes.

Source: the ways are those that `wigner.py` of SHARC tells apart.
"""

from dataclasses import dataclass

import numpy as np

from nadyn.checks.errors import InputError
from nadyn.dynamics.initial.normal_modes import NormalModes, bends_of, rigid_motions
from nadyn.dynamics.initial.section import InitialSection
from nadyn.dynamics.initial.wigner import sample_modes, without_rotation
from nadyn.structures import masses
from nadyn.trajectory.initial_conditions import InitialConditions
from nadyn.units import HARTREE_PER_INVERSE_CM

_LAWS = frozenset({"translation", "rotation"})
# Largest overlap of two modes that are to be orthogonal: files have few digits. With two behind the point it
# is 0.03 in a molecule of twenty atoms.
_ORTHOGONAL = 0.02
_ORTHOGONAL_OF_TWO_DIGITS = 0.06
# A listed mode with a larger part than this among rigid motions is one.
_RIGID = 0.5
# What digits leave of rigid motion in a vibration is 0.001; other axes or another order of the atoms than
# those of the geometry leave much.
_SMALL = 0.01


@dataclass(frozen=True, eq=False)
class FileModes:
    """Oscillators of a file, and its atoms."""

    modes: NormalModes
    atomic_numbers: np.ndarray


def modes_of_file(
    frequencies: np.ndarray, centre: np.ndarray, given: np.ndarray, numbers: np.ndarray, where: str
) -> FileModes:
    """Return the vibrations about a minimum.

    Args:
        frequencies: Of the listed modes [cm-1], those of rigid motion included or not.
        centre: The geometry [bohr], (atom, 3).
        given: Displacements (mode, atom, 3), of any scale.
        numbers: Atomic numbers.
        where: What the file is called in a sentence.

    Raises:
        InputError: The modes are orthogonal in no way, belong to another geometry, or one is imaginary.
    """
    if not all(np.isfinite(array).all() for array in (frequencies, centre, given)):
        raise InputError(f"{where} must hold finite numbers, but does not.")
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
        parts = ((flat @ rigid.T) ** 2).sum(axis=1)
        inner = (parts < _RIGID) & (lengths > 0)
        kept = flat[inner]
        off = np.abs(kept @ kept.T - np.eye(len(kept))).max(initial=0.0)
        if len(kept) == n_vibrations:
            found[way] = (off, kept, frequencies[inner], parts[inner].max(initial=0.0))
    allowed = _ORTHOGONAL_OF_TWO_DIGITS if np.array_equal(given, given.round(2)) else _ORTHOGONAL
    if not found or min(found.values(), key=lambda one: one[0])[0] > allowed:
        raise InputError(
            f"{where} must hold {n_vibrations} vibrations that are orthogonal, mass-weighted or as Cartesian "
            "displacements, but does not. Are masses of other isotopes meant, or is the file cut?"
        )
    _, vectors, values, part = min(found.values(), key=lambda one: one[0])
    if part > _SMALL:
        raise InputError(
            f"{where} must hold displacements of the atoms in the order and along the axes of its geometry, "
            f"but {100 * part:.0f} % of one is a motion of the whole molecule. Try a Molden file of the same "
            "program."
        )
    if (values <= 0).any():
        raise InputError(
            f"{where}: every frequency must be real, but one of the vibrations is {values.min():.1f} cm-1: "
            "the geometry is no minimum."
        )
    order = np.argsort(values, kind="stable")
    # To the last digit, and free of rigid motion: those of the file are it to theirs.
    inner = vectors[order] - (vectors[order] @ rigid.T) @ rigid
    left, _, right = np.linalg.svd(inner, full_matrices=False)
    orthonormal = (left @ right).reshape(-1, *centre.shape)
    bends = bends_of(orthonormal, centre, mass)
    values = values[order] * HARTREE_PER_INVERSE_CM
    return FileModes(NormalModes(centre, mass, values, orthonormal, bends), numbers)


def sample_file_modes(
    found: FileModes, section: InitialSection, *, seed: int, name: str
) -> InitialConditions:
    """Return a sample of the oscillators of a file, without total momentum and rotation.

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
