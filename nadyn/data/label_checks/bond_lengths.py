"""Are the atoms as far apart as in molecules? A check of the unit of positions."""

import warnings

import numpy as np
from jaxtyping import Float

from nadyn.checks.errors import InputWarning
from nadyn.data.dataset import Dataset, Group
from nadyn.structures.covalent_radii import radii
from nadyn.units import ANGSTROM_PER_BOHR, BOHR_PER_ANGSTROM

# In parts of the sum of two covalent radii; bonds of molecules have 0.8 to 1.2.
SHORTEST_BOND = 0.6
LONGEST_BOND = 1.5
# No frame of a molecule in bohr with the unit angstrom is shorter; a dimer that falls apart has shorter ones.
LONGEST_IN_ALL = 1.2
MOST_FRAMES = 300
# Noble gases have no bonds.
_NOBLE = (2, 10, 18, 36, 54, 86)


def warn_of_lengths(dataset: Dataset) -> None:
    """Warn of every group whose positions look like those of another unit."""
    for group in dataset.groups:
        sentence = doubtful_lengths(group)
        if sentence:
            warnings.warn(f"group {group.name!r}: {sentence}", InputWarning, stacklevel=2)


def doubtful_lengths(group: Group) -> str | None:
    """Return a sentence if bonds are too short in most frames or too long in all, otherwise None.

    What is looked at is the closest pair of a frame, its distance over the sum of the covalent radii: too
    short if under 0.6 in most frames, too long if over 1.5 in most and over 1.2 in all.
    """
    if group.n_atoms < 2 or np.isin(group.atomic_numbers, _NOBLE).all():
        return None
    distance, ratio = _closest(group)
    typical = float(np.median(ratio))
    shown = f"{np.median(distance) * ANGSTROM_PER_BOHR:.2f} angstrom, {typical:.2f} of a bond length"
    if typical < SHORTEST_BOND:
        likely = 0.75 < typical * BOHR_PER_ANGSTROM < 1.3
        advice = "They look like angstrom with the unit bohr." if likely else "Check their unit."
        return f"`positions` must be those of a molecule, but its closest atoms are {shown}, apart. {advice}"
    if typical > LONGEST_BOND and ratio.min() > LONGEST_IN_ALL:
        likely = 0.75 < typical * ANGSTROM_PER_BOHR < 1.3
        advice = "They look like bohr with the unit angstrom." if likely else "Check their unit."
        return f"`positions` must be those of a molecule, but its closest atoms are {shown}, apart. {advice}"
    return None


def _closest(group: Group) -> tuple[Float[np.ndarray, "sampled"], Float[np.ndarray, "sampled"]]:
    """Return distance [bohr] and distance over the sum of radii of the closest pair of some of the frames."""
    first, second = np.triu_indices(group.n_atoms, k=1)
    radius = radii(group.atomic_numbers)
    bond = radius[first] + radius[second]
    distances, ratios = [], []
    for frame in range(0, group.n_frames, -(-group.n_frames // MOST_FRAMES)):
        vectors = group.positions[frame, second] - group.positions[frame, first]
        if group.pbc.any() and group.cell is not None:
            fractional = vectors @ np.linalg.inv(group.cell[frame])
            vectors = (fractional - np.round(fractional) * group.pbc) @ group.cell[frame]
        lengths = np.linalg.norm(vectors, axis=1)
        pair = np.argmin(lengths / bond)
        distances.append(lengths[pair])
        ratios.append(lengths[pair] / bond[pair])
    return np.array(distances), np.array(ratios)
