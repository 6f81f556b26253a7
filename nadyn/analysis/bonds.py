"""Bonds from distances, and the coordinates worth a figure."""

import numpy as np
from jaxtyping import Bool, Float, Int

from nadyn.structures.covalent_radii import radii

_TOLERANCE = 1.25
_DOUBLE_BOND_RATIO = 0.93
# Cosine of the turn: a dihedral at an angle beyond 160 degrees, as at a triple bond, means little.
_STRAIGHT = 0.94


def bonds(
    atomic_numbers: Int[np.ndarray, "atom"], positions: Float[np.ndarray, "atom 3"]
) -> Bool[np.ndarray, "atom atom"]:
    """Return which pairs are closer than 1.25 times the sum of their covalent radii."""
    bonded = _stretch(atomic_numbers, positions) < _TOLERANCE
    np.fill_diagonal(bonded, False)
    return bonded


def central_double_bond(
    atomic_numbers: Int[np.ndarray, "atom"], positions: Float[np.ndarray, "atom 3"]
) -> tuple[int, int, int, int] | None:
    """Return the dihedral about the double bond in the middle of a molecule, None if there is no such bond.

    A candidate is a bond shorter than 0.93 times the sum of the covalent radii, not in a ring, between atoms
    other than hydrogen that have one or two further neighbours each. The one nearest to the centre
    is taken; the outer atoms are the heaviest neighbours, those with the lowest number among equals.
    """
    bonded, stretch = bonds(atomic_numbers, positions), _stretch(atomic_numbers, positions)
    heavy = atomic_numbers > 1
    centre = positions[heavy].mean(axis=0) if heavy.any() else positions.mean(axis=0)
    candidates = []
    for i, j in np.argwhere(np.triu(bonded)).tolist():
        neighbours = bonded[i].sum() - 1, bonded[j].sum() - 1
        if not (heavy[i] and heavy[j]) or stretch[i, j] >= _DOUBLE_BOND_RATIO or _in_ring(bonded, i, j):
            continue
        if min(neighbours) < 1 or max(neighbours) > 2:
            continue
        i, j = int(i), int(j)
        outer = _heaviest(atomic_numbers, bonded, i, j), _heaviest(atomic_numbers, bonded, j, i)
        if _is_straight(positions[[outer[0], i, j]]) or _is_straight(positions[[i, j, outer[1]]]):
            continue
        distance = np.linalg.norm((positions[i] + positions[j]) / 2 - centre)
        candidates.append((round(float(distance), 6), (outer[0], i, j, outer[1])))
    return min(candidates)[1] if candidates else None


def _stretch(
    atomic_numbers: Int[np.ndarray, "atom"], positions: Float[np.ndarray, "atom 3"]
) -> Float[np.ndarray, "atom atom"]:
    radius = radii(atomic_numbers)
    distance = np.linalg.norm(positions[:, None] - positions[None, :], axis=-1)
    return distance / (radius[:, None] + radius[None, :])


def _heaviest(
    atomic_numbers: Int[np.ndarray, "atom"], bonded: Bool[np.ndarray, "atom atom"], of: int, but: int
) -> int:
    neighbours = [int(n) for n in np.nonzero(bonded[of])[0] if n != but]
    return min(neighbours, key=lambda n: (-int(atomic_numbers[n]), n))


def _is_straight(points: Float[np.ndarray, "3 3"]) -> bool:
    first, second = points[1] - points[0], points[2] - points[1]
    return float(first @ second) > _STRAIGHT * float(np.linalg.norm(first) * np.linalg.norm(second))


def _in_ring(bonded: Bool[np.ndarray, "atom atom"], i: int, j: int) -> bool:
    reached, edge = {int(i)}, [int(i)]
    while edge:
        atom = edge.pop()
        for other in np.nonzero(bonded[atom])[0].tolist():
            if {atom, other} != {int(i), int(j)} and other not in reached:
                reached.add(other)
                edge.append(other)
    return int(j) in reached
