"""Energies far from all others, where no neighbours can be compared: in crystals and among few frames."""

import numpy as np

from nadyn.data.dataset import Group
from nadyn.data.frames_in_words import frames_in_words
from nadyn.data.label_checks.doubt import Doubt
from nadyn.data.label_checks.energy_outliers import FEWEST_FRAMES
from nadyn.units import ELECTRONVOLT_PER_HARTREE

# In robust spreads (1.4826 times the median of the distances to the median);
# `models.terms.reference_energies` leaves such frames out of the scale of energies.
_ABSURD = 20.0
# Where more frames than this part lie far away, they are data.
_FEW = 0.01


def absurd_energies(group: Group) -> Doubt | None:
    """Return the few frames whose energies lie 20 robust spreads from all others, otherwise None."""
    if not group.pbc.any() and group.n_frames >= FEWEST_FRAMES:
        # `energy_outliers` compares neighbours.
        return None
    distance = np.abs(group.energies - np.median(group.energies, axis=0))
    spread = 1.4826 * np.median(distance, axis=0)
    absurd = ((distance > _ABSURD * spread) & (spread > 0)).any(axis=1)
    if not absurd.any() or absurd.sum() > max(1, _FEW * group.n_frames):
        return None
    which = frames_in_words(absurd)
    ev = distance[absurd].max() * ELECTRONVOLT_PER_HARTREE
    return Doubt(
        f"energies must be those of one molecule at one level of theory, but in {which} they lie "
        f"{ev:.3g} eV from the median, more than {_ABSURD:.0f} spreads. The scale of energies in a training "
        "is that of the others.",
        absurd,
    )
