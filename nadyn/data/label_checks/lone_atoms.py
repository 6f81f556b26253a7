"""Atoms that are alone in some frames, with no frames of the bond as it breaks."""

import numpy as np
from jaxtyping import Float

from nadyn.data.dataset import Group
from nadyn.data.frames_in_words import frames_in_words
from nadyn.data.label_checks.doubt import Doubt
from nadyn.data.label_checks.frame_geometry import cut_molecules
from nadyn.structures import symbol
from nadyn.units import ANGSTROM_PER_BOHR, BOHR_PER_ANGSTROM

# No cutoff reaches farther than this by default, and no bond by half.
ALONE_BOHR = 6.0 * BOHR_PER_ANGSTROM
# Distances farther apart than this factor have nothing between them; see `models.nearest_neighbours`.
HOLE = 1.15**2


def lone_atoms(group: Group) -> Doubt | None:
    """Return that atoms are alone in some frames and none lie on the way to it, otherwise None.

    Alone is an atom without a neighbour within 6 angstrom; on the way lie frames in which the nearest
    neighbour of an atom of its element is a little farther in one than in the next, up to there. Such frames
    may serve as reference energies, so none are named as better left out.
    """
    if group.n_atoms < 2 or group.pbc.any() or cut_molecules(group) is not None:
        return None
    nearest = _nearest(group)
    for element in np.unique(group.atomic_numbers):
        distances = nearest[:, group.atomic_numbers == element]
        alone = (distances > ALONE_BOHR).any(axis=1)
        bound = np.sort(distances[distances <= ALONE_BOHR])
        if not alone.any() or not len(bound):
            continue
        steps = np.append(bound[1:], ALONE_BOHR) / bound
        if steps.max() > HOLE:
            near, reach = bound[int(steps.argmax())] * ANGSTROM_PER_BOHR, ALONE_BOHR * ANGSTROM_PER_BOHR
            return Doubt(
                f"a molecule that falls apart must be followed to its end, but in {frames_in_words(alone)} "
                f"{symbol(int(element))} has no neighbour within {reach:.0f} angstrom, and in none a nearest "
                f"one between {near:.2f} angstrom and a third more: a model does not know the way. Add "
                "frames of the bond as it breaks."
            )
    return None


def _nearest(group: Group) -> Float[np.ndarray, "frame atom"]:
    """Return the distance of each atom to its nearest neighbour [bohr]."""
    found = np.empty((group.n_frames, group.n_atoms))
    themselves = np.diag(np.full(group.n_atoms, np.inf))
    # Frame by frame: all distances of all frames of a large molecule would fill the memory.
    for frame, positions in enumerate(group.positions):
        squares = ((positions[:, None] - positions[None, :]) ** 2).sum(axis=2)
        found[frame] = np.sqrt(squares + themselves).min(axis=1)
    return found
