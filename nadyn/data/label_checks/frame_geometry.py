"""Single frames that are no molecule: atoms inside each other, or molecules cut by the walls of a box."""

import numpy as np
from jaxtyping import Bool, Float, Int

from nadyn.data.dataset import Group
from nadyn.data.frames_in_words import frames_in_words
from nadyn.data.label_checks.bond_lengths import closest_pairs, doubtful_lengths
from nadyn.data.label_checks.doubt import Doubt
from nadyn.structures import symbol
from nadyn.structures.covalent_radii import radii
from nadyn.structures.distances import close_pairs
from nadyn.units import ANGSTROM_PER_BOHR

# In parts of the sum of two covalent radii. The closest pairs of all frames of ammonia, whose surfaces were
# sampled up to 12 eV, come down to 0.67, those of twelve other sets to 0.77.
_SHORTEST = 0.55
_BOND = 1.3


def shrunken_frames(group: Group) -> Doubt | None:
    """Return the frames in which two atoms are closer than 0.55 of a bond length.

    Where the whole group is so, its unit is in question, and `doubtful_lengths` says that.
    """
    if group.n_atoms < 2 or doubtful_lengths(group):
        return None
    pairs = closest_pairs(group)
    short = pairs.ratios < _SHORTEST
    if not short.any():
        return None
    worst = int(np.argmin(pairs.ratios))
    names = "-".join(
        f"{symbol(int(group.atomic_numbers[atom]))}{atom}"
        for atom in (pairs.first[worst], pairs.second[worst])
    )
    shortest = pairs.distances[worst] * ANGSTROM_PER_BOHR
    return Doubt(
        f"atoms must be a bond length apart, but in {frames_in_words(short)} some are closer than "
        f"{_SHORTEST} of one: {names} in frame {worst} {shortest:.2f} angstrom.",
        short,
    )


def cut_molecules(group: Group) -> Doubt | None:
    """Return the frames whose bonds go through the wall of a cell in which no direction is periodic."""
    if group.cell is None or group.pbc.any():
        return None
    cut = wrapped_frames(group.atomic_numbers, group.positions, group.cell)
    return Doubt(cut_sentence(cut), cut) if cut.any() else None


def cut_sentence(cut: Bool[np.ndarray, "frame"]) -> str:
    """Return what to say of frames that `wrapped_frames` has found."""
    return (
        f"positions must be those of whole molecules, but in {frames_in_words(cut)} a molecule is cut by the "
        'wall of a box without periodic directions. Unwrap the coordinates, or set pbc="T T T" if the box '
        "is meant."
    )


def wrapped_frames(
    numbers: Int[np.ndarray, "atom"],
    positions: Float[np.ndarray, "frame atom 3"],
    cell: Float[np.ndarray, "frame 3 3"],
) -> Bool[np.ndarray, "frame"]:
    """Tell in which frames there are fewer molecules through the walls of the cell than without them.

    Atoms closer than 1.3 times the sum of their covalent radii are of one molecule.
    """
    radius = radii(numbers)
    cutoff = 2.0 * _BOND * float(radius.max())
    cut = np.zeros(len(positions), dtype=bool)
    for frame, (points, box) in enumerate(zip(positions, cell, strict=True)):
        if abs(np.linalg.det(box)) < 1e-6:
            continue
        counts = []
        for pbc in ((False, False, False), (True, True, True)):
            pairs = close_pairs(points, cutoff=cutoff, cell=box, pbc=pbc)
            bonded = pairs.distances < _BOND * (radius[pairs.first] + radius[pairs.second])
            counts.append(_n_molecules(len(numbers), pairs.first[bonded], pairs.second[bonded]))
        cut[frame] = counts[1] < counts[0]
    return cut


def _n_molecules(n_atoms: int, first: np.ndarray, second: np.ndarray) -> int:
    label = np.arange(n_atoms)
    for i, j in zip(first.tolist(), second.tolist(), strict=True):
        if label[i] != label[j]:
            label[label == label[j]] = label[i]
    return len(np.unique(label))
