"""Bonds from distances, and the coordinates worth a figure.

Radii: B. Cordero et al., Dalton Trans. 2008, 2832 (carbon as sp3; metals in their high-spin radius).
"""

import numpy as np
from jaxtyping import Bool, Float, Int

from nadyn.units import BOHR_PER_ANGSTROM

_TOLERANCE = 1.25
_DOUBLE_BOND_RATIO = 0.93
# Cosine of the turn: a dihedral at an angle beyond 160 degrees, as at a triple bond, means little.
_STRAIGHT = 0.94
# Place = atomic number - 1 [angstrom].
_RADII = (
    *(
        0.31,
        0.28,
        1.28,
        0.96,
        0.84,
        0.76,
        0.71,
        0.66,
        0.57,
        0.58,
        1.66,
        1.41,
        1.21,
        1.11,
        1.07,
        1.05,
        1.02,
        1.06,
    ),
    *(
        2.03,
        1.76,
        1.70,
        1.60,
        1.53,
        1.39,
        1.61,
        1.52,
        1.50,
        1.24,
        1.32,
        1.22,
        1.22,
        1.20,
        1.19,
        1.20,
        1.20,
        1.16,
    ),
    *(
        2.20,
        1.95,
        1.90,
        1.75,
        1.64,
        1.54,
        1.47,
        1.46,
        1.42,
        1.39,
        1.45,
        1.44,
        1.42,
        1.39,
        1.39,
        1.38,
        1.39,
        1.40,
    ),
    *(
        2.44,
        2.15,
        2.07,
        2.04,
        2.03,
        2.01,
        1.99,
        1.98,
        1.98,
        1.96,
        1.94,
        1.92,
        1.92,
        1.89,
        1.90,
        1.87,
        1.87,
        1.75,
    ),
    *(1.70, 1.62, 1.51, 1.44, 1.41, 1.36, 1.36, 1.32, 1.45, 1.46, 1.48, 1.40, 1.50, 1.50),
)


def radii(atomic_numbers: Int[np.ndarray, "atom"]) -> Float[np.ndarray, "atom"]:
    """Return covalent radii [bohr]; elements past radon count as 1.5 angstrom."""
    table = [_RADII[number - 1] if number <= len(_RADII) else 1.5 for number in atomic_numbers.tolist()]
    return np.array(table) * BOHR_PER_ANGSTROM


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
