"""Frames that stand alone in a group: an energy far from all others, an atom that left without a trace."""

import numpy as np
from jaxtyping import Float

from nadyn.data.dataset import Group
from nadyn.data.label_checks.doubt import Doubt
from nadyn.data.label_checks.frame_geometry import cut_molecules
from nadyn.structures import symbol
from nadyn.units import ANGSTROM_PER_BOHR, BOHR_PER_ANGSTROM, ELECTRONVOLT_PER_HARTREE

# In robust spreads (1.4826 times the median of the distances to the median); see
# `models.terms.reference_energies`, which leaves such frames out of the scale of energies.
ABSURD_SPREADS = 20.0
# Where more frames than this part lie far away, they are data.
FEW = 0.01
# No cutoff reaches farther than this by default, and no bond by half.
ALONE_BOHR = 6.0 * BOHR_PER_ANGSTROM
# Distances farther apart than this factor have nothing between them; see `models.nearest_neighbours`.
HOLE = 1.15**2


def absurd_energies(group: Group) -> Doubt | None:
    """Return a doubt about a few energies that lie 20 robust spreads from all others, otherwise None."""
    distance = np.abs(group.energies - np.median(group.energies, axis=0))
    spread = 1.4826 * np.median(distance, axis=0)
    absurd = ((distance > ABSURD_SPREADS * spread) & (spread > 0)).any(axis=1)
    frames = np.flatnonzero(absurd)
    if not len(frames) or len(frames) > max(1, FEW * group.n_frames):
        return None
    worst = int(frames[distance[frames].max(axis=1).argmax()])
    ev = distance[worst].max() * ELECTRONVOLT_PER_HARTREE
    return Doubt(
        f"energies must be those of one molecule at one level of theory, but {_named(frames)} "
        f"more than {ABSURD_SPREADS:.0f} spreads from all others, by up to {ev:.3g} eV. The scale of "
        "energies in a training is that of the others. Remove what is a mistake.",
        absurd,
    )


def lone_atoms(group: Group) -> Doubt | None:
    """Return a doubt about atoms alone in some frames with nothing on the way to it, otherwise None.

    Alone is an atom without a neighbour within 6 angstrom; on the way lie frames in which the nearest
    neighbour of an atom of its element is a little farther in one than in the next, up to there.
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
            near = bound[int(steps.argmax())] * ANGSTROM_PER_BOHR
            reach, which = ALONE_BOHR * ANGSTROM_PER_BOHR, _named(np.flatnonzero(alone))
            return Doubt(
                f"a molecule that falls apart must be followed to its end, but {which} at its end, "
                f"{symbol(int(element))} with no neighbour within {reach:.0f} angstrom, and nothing between "
                f"{near:.2f} angstrom and there: a model does not know the way. Add frames of the bond as it "
                "breaks, or remove these.",
                alone,
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


def _named(frames: np.ndarray) -> str:
    if len(frames) == 1:
        return f"frame {frames[0]} is"
    return f"{len(frames)} frames are (the first is {frames[0]})"


ODD_FRAMES = (absurd_energies, lone_atoms)
