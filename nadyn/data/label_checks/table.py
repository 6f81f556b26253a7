"""All checks of a dataset that is readable: what looks wrong, and in which frames."""

import warnings
from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Int

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

_LEAVES_OUT = "`nadyn convert --drop-doubtful` leaves them out."
_LEAVES_NONE = "No frame would be left without the doubtful ones: correct the data where they come from."


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


def kept_frames(group: Group) -> Int[np.ndarray, "kept"]:
    """Return the frames that are left when doubtful ones are left out until none is found; perhaps none.

    Looked at again and again, because frames that are far off hide others.
    """
    kept = np.arange(group.n_frames)
    while len(kept) and (doubtful := doubtful_frames(group.select(kept))).any():
        kept = kept[~doubtful]
    return kept


def warn_of_doubts(dataset: Dataset) -> None:
    """Warn (`InputWarning`) of everything that looks wrong about a dataset."""
    for group in dataset.groups:
        found = doubts(group)
        advice = ""
        if any(doubt.frames is not None for doubt in found):
            advice = _LEAVES_OUT if len(kept_frames(group)) else _LEAVES_NONE
        for doubt in found:
            about_frames = "" if doubt.frames is None else f" {advice}"
            warnings.warn(f"group {group.name!r}: {doubt.sentence}{about_frames}", InputWarning, stacklevel=2)
