"""All checks of a dataset that is readable: what looks wrong, and in which frames."""

import warnings
from collections.abc import Callable

import numpy as np
from jaxtyping import Bool

from nadyn.checks.errors import InputWarning
from nadyn.data.dataset import Dataset, Group
from nadyn.data.label_checks.absurd_energies import absurd_energies
from nadyn.data.label_checks.bond_lengths import doubtful_lengths
from nadyn.data.label_checks.coupling_kind import couplings_like_d
from nadyn.data.label_checks.doubt import Doubt
from nadyn.data.label_checks.electron_count import impossible_electrons
from nadyn.data.label_checks.energy_outliers import energy_outliers
from nadyn.data.label_checks.frame_geometry import cut_molecules, shrunken_frames
from nadyn.data.label_checks.lone_atoms import lone_atoms

# The check of the forces is not among them: `group_from_arrays` does it wherever data come from.
CHECKS: tuple[Callable[[Group], Doubt | None], ...] = (
    doubtful_lengths,
    shrunken_frames,
    cut_molecules,
    energy_outliers,
    absurd_energies,
    lone_atoms,
    couplings_like_d,
    impossible_electrons,
)


def doubts(group: Group) -> tuple[Doubt, ...]:
    """Return what looks wrong about a group; nothing for data that are in order."""
    return tuple(doubt for check in CHECKS if (doubt := check(group)) is not None)


def doubtful_frames(group: Group) -> Bool[np.ndarray, "frame"]:
    """Tell which frames are better left out."""
    chosen = np.zeros(group.n_frames, dtype=bool)
    for doubt in doubts(group):
        if doubt.frames is not None:
            chosen |= doubt.frames
    return chosen


def warn_of_doubts(dataset: Dataset) -> None:
    """Warn (`InputWarning`) of everything that looks wrong about a dataset."""
    for group in dataset.groups:
        for doubt in doubts(group):
            advice = "" if doubt.frames is None else " `nadyn convert --drop-doubtful` leaves them out."
            warnings.warn(f"group {group.name!r}: {doubt.sentence}{advice}", InputWarning, stacklevel=2)
