"""Fragments: which atoms are still held together, by distance alone."""

import numpy as np
from jaxtyping import Float, Int

from nadyn.structures.covalent_radii import radii

# Farther apart than this many sums of covalent radii (N-H: 2.55, C-C: 3.8 angstrom), two atoms hold no bond,
# not even one that vibrates with all the energy of a photon.
APART = 2.5


def fragments(
    atomic_numbers: Int[np.ndarray, "atom"], positions: Float[np.ndarray, "geometry atom 3"]
) -> Int[np.ndarray, "geometry atom"]:
    """Return for each atom of each geometry the lowest number of an atom in its fragment.

    Two atoms belong to one fragment if a chain of distances below 2.5 times the sum of both covalent radii
    joins them.
    """
    radius = radii(atomic_numbers)
    limit = APART * (radius[:, None] + radius[None, :])
    difference = positions[:, :, None] - positions[:, None, :]
    near = (difference * difference).sum(axis=-1) < limit * limit
    near |= np.eye(len(atomic_numbers), dtype=bool)
    member = np.broadcast_to(np.arange(len(atomic_numbers)), near.shape[:2])
    while True:
        found = np.where(near, member[:, None, :], len(atomic_numbers)).min(axis=2)
        if np.array_equal(found, member):
            return found
        member = found
