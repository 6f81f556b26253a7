"""Are the atoms as far apart as in molecules? A check of the unit of positions."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from nadyn.data.dataset import Group
from nadyn.data.label_checks.doubt import Doubt
from nadyn.structures.covalent_radii import radii
from nadyn.structures.distances import close_pairs
from nadyn.units import ANGSTROM_PER_BOHR, BOHR_PER_ANGSTROM

# In parts of the sum of two covalent radii; bonds of molecules have 0.8 to 1.2.
SHORTEST_BOND = 0.6
LONGEST_BOND = 1.5
# No frame of a molecule in bohr with the unit angstrom is shorter; a dimer that falls apart has shorter ones.
LONGEST_IN_ALL = 1.2
MOST_FRAMES = 300
_WITHIN = 6.0 * BOHR_PER_ANGSTROM
# Noble gases have no bonds.
_NOBLE = (2, 10, 18, 36, 54, 86)


@dataclass(frozen=True)
class ClosestPairs:
    """The pair of atoms of each frame whose distance is the smallest part of a bond length.

    Attributes:
        first, second: The two atoms.
        distances: [bohr].
        ratios: Distances over the sum of the covalent radii.
    """

    first: Int[np.ndarray, "frame"]
    second: Int[np.ndarray, "frame"]
    distances: Float[np.ndarray, "frame"]
    ratios: Float[np.ndarray, "frame"]


def doubtful_lengths(group: Group) -> Doubt | None:
    """Return a doubt if bonds are too short in most frames or too long in all, otherwise None.

    What is looked at is the closest pair of a frame, its distance over the sum of the covalent radii: too
    short if under 0.6 in most frames, too long if over 1.5 in most and over 1.2 in all.
    """
    if group.n_atoms < 2 or np.isin(group.atomic_numbers, _NOBLE).all():
        return None
    pairs = closest_pairs(group.select(range(0, group.n_frames, -(-group.n_frames // MOST_FRAMES))))
    distance, ratio = pairs.distances, pairs.ratios
    typical = float(np.median(ratio))
    must = "`positions` must be those of a molecule, but its closest atoms are"
    shown = f"{np.median(distance) * ANGSTROM_PER_BOHR:.2f} angstrom, {typical:.2f} of a bond length"
    if typical < SHORTEST_BOND:
        likely = 0.75 < typical * BOHR_PER_ANGSTROM < 1.3
        advice = "They look like angstrom with the unit bohr." if likely else "Check their unit."
        return Doubt(f"{must} {shown}, apart. {advice}")
    if typical > LONGEST_BOND and ratio.min() > LONGEST_IN_ALL:
        likely = 0.75 < typical * ANGSTROM_PER_BOHR < 1.3
        advice = "They look like bohr with the unit angstrom." if likely else "Check their unit."
        return Doubt(f"{must} {shown}, apart. {advice}")
    return None


def closest_pairs(group: Group) -> ClosestPairs:
    """Return the closest pair of each frame; in a cell within 6 angstrom, where a lonely atom has inf."""
    radius = radii(group.atomic_numbers)
    cutoff = _WITHIN if group.pbc.any() else np.inf
    rows = []
    for frame, positions in enumerate(group.positions):
        cell = None if group.cell is None else group.cell[frame]
        pairs = close_pairs(positions, cutoff=cutoff, cell=cell, pbc=group.pbc)
        ratio = pairs.distances / (radius[pairs.first] + radius[pairs.second])
        if not ratio.size:
            rows.append((0, 0, np.inf, np.inf))
            continue
        best = int(np.argmin(ratio))
        rows.append((pairs.first[best], pairs.second[best], pairs.distances[best], ratio[best]))
    first, second, distances, ratios = zip(*rows, strict=True)
    return ClosestPairs(np.array(first), np.array(second), np.array(distances), np.array(ratios))
