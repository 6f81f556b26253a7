"""Labels of one level laid on older ones: one constant a state, fitted where both know a geometry."""

import warnings
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from nadyn.checks.counts import counted
from nadyn.checks.errors import InputError, InputWarning
from nadyn.data.dataset import Group
from nadyn.data.frames_in_words import frames_in_words
from nadyn.data.state_order import out_of_order
from nadyn.structures.alignment import aligned_distances
from nadyn.units import ANGSTROM_PER_BOHR, BOHR_PER_ANGSTROM, ELECTRONVOLT_PER_HARTREE

# Two geometries are one, laid on each other, where their atoms are this close (root of the mean square).
_SAME_GEOMETRY_BOHR = 1e-3 * BOHR_PER_ANGSTROM
# What a constant leaves: more, and the levels differ by more than their zero of energy.
_MOST_LEFT_EV = 0.05
# A number beside which energies lose more than this is a slip of the pen.
_DIGITS_HARTREE = 1e-8


@dataclass(frozen=True)
class LevelShift:
    """Constants that lay the energies of one level on those of another.

    Attributes:
        energies: What is added to the newer energies of each state [hartree].
        left: Root of the mean square of what remains, of each state [hartree]; NaN for one frame.
        n_shared: Number of geometries that both have.
        theory: Level of the older labels.
    """

    energies: Float[np.ndarray, "state"]
    left: Float[np.ndarray, "state"]
    n_shared: int
    theory: str

    def in_words(self) -> str:
        """Return a sentence for the note of a dataset."""
        added = ", ".join(f"{x:+.8f}" for x in self.energies)
        left = ", ".join(f"{x * ELECTRONVOLT_PER_HARTREE * 1000:.1f}" for x in self.left)
        rest = "" if self.n_shared < 2 else f"; {left} meV are left a state (rms)"
        return (
            f"energies were shifted by {added} hartree a state onto {self.theory or 'older labels'}, "
            f"fitted to {counted(self.n_shared, 'shared geometry')}{rest}"
        )


def shared_frames(group: Group, older: Group) -> Int[np.ndarray, "shared 2"]:
    """Return which frames of two groups are one geometry, in any orientation: newer, older.

    Raises:
        InputError: The groups are of different atoms.
    """
    if not np.array_equal(group.atomic_numbers, older.atomic_numbers):
        raise InputError(
            f"groups {group.name!r} and {older.name!r} must have the same atoms in the same order, but have "
            "not."
        )
    found = []
    for frame, positions in enumerate(group.positions):
        distances = aligned_distances(positions, older.positions)
        nearest = int(np.argmin(distances))
        if distances[nearest] < _SAME_GEOMETRY_BOHR:
            found.append((frame, nearest))
    return np.array(found, dtype=np.int64).reshape(-1, 2)


def fit_shift(group: Group, older: Group) -> LevelShift:
    """Return the constants that lay the energies of a group on older ones, the mean difference of each state.

    Warns (`InputWarning`) where more than 0.05 eV are left: the levels then differ by more than a constant.

    Raises:
        InputError: The groups are of different atoms or states, or share no geometry.
    """
    if group.multiplicities != older.multiplicities or group.charge != older.charge:
        raise InputError(
            f"groups {group.name!r} and {older.name!r} must have the same states and charge, but have "
            f"multiplicities {list(group.multiplicities)} and {list(older.multiplicities)}, charges "
            f"{group.charge} and {older.charge}."
        )
    shared = shared_frames(group, older)
    if not len(shared):
        raise InputError(
            f"group {group.name!r} must share a geometry with the older labels, but shares none within "
            f"{_SAME_GEOMETRY_BOHR * ANGSTROM_PER_BOHR:g} angstrom. Label some of the older geometries too."
        )
    difference = older.energies[shared[:, 1]] - group.energies[shared[:, 0]]
    shift = difference.mean(axis=0)
    left = np.sqrt(((difference - shift) ** 2).mean(axis=0))
    if len(shared) == 1:
        left = np.full_like(shift, np.nan)
    worst = float(np.nan_to_num(left).max()) * ELECTRONVOLT_PER_HARTREE
    if worst > _MOST_LEFT_EV:
        warnings.warn(
            f"group {group.name!r}: a shift must leave less than {_MOST_LEFT_EV} eV between two levels, "
            f"but leaves {worst:.2f} eV ({counted(len(shared), 'shared geometry')}): they are "
            "different surfaces.",
            InputWarning,
            stacklevel=2,
        )
    return LevelShift(shift, left, len(shared), older.theory)


def shifted(group: Group, shift: LevelShift) -> Group:
    """Return a group with its energies shifted, and the shift in its note."""
    note = "; ".join(text for text in (group.note, shift.in_words()) if text)
    return replace(group, energies=group.energies + shift.energies, note=note)


def shifted_by(group: Group, energies: Float[np.ndarray, "state"]) -> Group:
    """Return a group with numbers added to the energies of its states.

    Args:
        group: Its forces and couplings stay.
        energies: What is added [hartree].

    Raises:
        InputError: States would then no longer ascend in energy, which changes what their labels mean, or
            energies would lose their digits beside so large a number.
    """
    moved = group.energies + energies
    lost = np.nan_to_num(np.abs(moved - energies - group.energies)).max(initial=0.0)
    if lost > _DIGITS_HARTREE:
        raise InputError(
            f"a shift must keep the digits of energies, but one of {np.abs(energies).max():.3g} hartree "
            f"loses {lost:.1g} hartree of group {group.name!r}. Give a smaller one."
        )
    before, after = (out_of_order(one, group.multiplicities) for one in (group.energies, moved))
    if (after & ~before).any():
        raise InputError(
            f"states must ascend in energy, but those of group {group.name!r} do not after the shift in "
            f"{frames_in_words(after)}. Shift all states of a multiplicity alike."
        )
    added = ", ".join(f"{x:+.8f}" for x in energies)
    said = f"energies were shifted by {added} hartree a state"
    note = "; ".join(text for text in (group.note, said) if text)
    return replace(group, energies=moved, note=note)
