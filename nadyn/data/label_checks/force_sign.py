"""Do the forces point downhill? A check of their sign and unit that needs no model."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment

from nadyn.data.dataset import Group
from nadyn.structures import pair_distances
from nadyn.units import ANGSTROM_PER_BOHR, BOHR_PER_ANGSTROM

# Enough pairs for a verdict, few enough for the time of a file to be opened.
MOST_QUERIES = 200
MOST_FRAMES = 3000
FEWEST_PAIRS = 8


@dataclass(frozen=True)
class Agreement:
    """How well energy differences follow from the forces, for one state.

    Attributes:
        n_pairs: Number of pairs of near frames.
        correlation: Σ xy / √(Σx² Σy²) of the true and the predicted difference; near 1 for right forces,
            near -1 for the opposite sign.
        slope: Σ xy / Σ y², the true difference over the predicted one; near 1 for the right unit.
    """

    n_pairs: int
    correlation: float
    slope: float


def contradiction(group: Group) -> str | None:
    """Return a sentence if the forces of a state contradict its energies, otherwise None.

    Sign: the correlation is below -3/√n and below -0.3. Unit: it is above 0.9 and the slope is not within
    1/3 to 3, or it is above 0.95 and the slope not within 2/3 to 3/2. Measured for ammonia, ethanol,
    malonaldehyde and hexafluorobutene: correlations 0.97 to 1.00, slopes 0.99 to 1.02.
    """
    for state, agreement in enumerate(force_agreement(group)):
        if agreement is None:
            continue
        r, n = agreement.correlation, agreement.n_pairs
        if r < -max(0.3, min(0.9, 3 / np.sqrt(n))):
            return (
                f"`forces` must be minus the gradient of `energies`, but those of state {state} point uphill "
                f"(correlation {r:.2f} over {n} pairs of near frames). Are they gradients? Then use -forces."
            )
        largest = 1.5 if r > 0.95 else 3.0
        if r > 0.9 and not 1 / largest < agreement.slope < largest:
            bohr = min(abs(agreement.slope / factor - 1) for factor in (ANGSTROM_PER_BOHR, BOHR_PER_ANGSTROM))
            hint = "A bohr taken for an angstrom would do that, in the positions or in the forces. "
            return (
                f"`forces` must be minus the gradient of `energies`, but those of state {state} explain them "
                f"only when multiplied by {agreement.slope:.3g} ({n} pairs of near frames). "
                f"{hint if bohr < 0.15 else ''}Check both units."
            )
    return None


def force_agreement(group: Group) -> tuple[Agreement | None, ...]:
    """Return for each state how well the forces explain the energy differences of near frames.

    Each frame is paired with the nearest one by sorted distances; like atoms are matched and the geometries
    laid on each other (Kabsch, reflections allowed), and the trapezoidal rule
    E_j - E_i = -½ (F_i + F_j) · (R_j - R_i) predicts the difference. None for a state with too few
    pairs and for a periodic group.

    Source: W. Kabsch, Acta Cryst. A 32, 922 (1976), for the alignment.
    """
    if group.forces is None or group.pbc.any() or group.n_atoms < 2 or group.n_frames < 2:
        return (None,) * group.n_states
    step = max(1, group.n_frames // MOST_FRAMES)
    frames = np.arange(0, group.n_frames, step)[:MOST_FRAMES]
    pairs = _nearest(_sorted_distances(group, frames))
    true = np.empty((len(pairs), group.n_states))
    predicted = np.empty_like(true)
    length = np.empty(len(pairs))
    for row, (i, j) in enumerate(frames[pairs]):
        order, rotation = _overlay(group.atomic_numbers, group.positions[i], group.positions[j])
        moved = _centred(group.positions[j])[order] @ rotation
        step_vector = moved - _centred(group.positions[i])
        mean_force = 0.5 * (group.forces[i] + group.forces[j][:, order] @ rotation)
        true[row] = group.energies[j] - group.energies[i]
        predicted[row] = -np.einsum("knx,nx->k", mean_force, step_vector)
        length[row] = np.sqrt((step_vector**2).sum(axis=-1).mean())
    # The same geometry twice says nothing; of the others the nearer half is nearly straight.
    useful = length > 1e-4
    if useful.any():
        useful &= length <= np.median(length[useful])
    return tuple(_agreement(true[useful, k], predicted[useful, k]) for k in range(group.n_states))


def _agreement(true: Float[np.ndarray, "near"], predicted: Float[np.ndarray, "near"]) -> Agreement | None:
    known = np.isfinite(predicted)
    x, y = true[known], predicted[known]
    scale = np.sqrt((x**2).sum() * (y**2).sum())
    if len(x) < FEWEST_PAIRS or scale == 0:
        return None
    return Agreement(len(x), float((x * y).sum() / scale), float((x * y).sum() / (y**2).sum()))


def _sorted_distances(group: Group, frames: Int[np.ndarray, "frame"]) -> Float[np.ndarray, "frame pair"]:
    """Distances sorted within each pair of elements: like atoms may change places."""
    distances = pair_distances(group.positions[frames])
    first, second = np.triu_indices(group.n_atoms, k=1)
    numbers = np.sort(group.atomic_numbers[np.stack([first, second])], axis=0)
    kinds = numbers[0] * 1000 + numbers[1]
    for kind in np.unique(kinds):
        columns = np.flatnonzero(kinds == kind)
        distances[:, columns] = np.sort(distances[:, columns], axis=1)
    return distances


def _nearest(features: Float[np.ndarray, "frame pair"]) -> Int[np.ndarray, "query 2"]:
    """Return pairs of a frame and the one nearest to it, each pair once."""
    queries = np.unique(np.linspace(0, len(features) - 1, MOST_QUERIES).astype(np.int64))
    centred = features - features.mean(axis=0)
    square = (centred**2).sum(axis=1)
    distance = square[queries, None] + square - 2 * centred[queries] @ centred.T
    distance[np.arange(len(queries)), queries] = np.inf
    pairs = np.stack([queries, np.argmin(distance, axis=1)], axis=1)
    return np.unique(np.sort(pairs, axis=1), axis=0)


def _overlay(
    numbers: Int[np.ndarray, "atom"], fixed: Float[np.ndarray, "atom 3"], moving: Float[np.ndarray, "atom 3"]
) -> tuple[Int[np.ndarray, "atom"], Float[np.ndarray, "3 3"]]:
    """Return the order of atoms and the rotation that lay one geometry on another best.

    The order as it is competes with the one that matches the surroundings of like atoms.
    """
    orders = (np.arange(len(numbers)), _match(numbers, fixed, moving))
    best = None
    for order in orders:
        target, source = _centred(fixed), _centred(moving)[order]
        left, _, right = np.linalg.svd(source.T @ target)
        rotation = left @ right
        misfit = ((source @ rotation - target) ** 2).sum()
        if best is None or misfit < best[0]:
            best = misfit, order, rotation
    return best[1], best[2]


def _match(
    numbers: Int[np.ndarray, "atom"], fixed: Float[np.ndarray, "atom 3"], moving: Float[np.ndarray, "atom 3"]
) -> Int[np.ndarray, "atom"]:
    """Return which atom of `moving` has the surroundings of each atom of `fixed`."""
    fingerprints = []
    for positions in (fixed, moving):
        distances = np.linalg.norm(positions[:, None] - positions, axis=-1)
        columns = [np.sort(distances[:, numbers == number], axis=1) for number in np.unique(numbers)]
        fingerprints.append(np.concatenate(columns, axis=1))
    order = np.arange(len(numbers))
    for number in np.unique(numbers):
        like = np.flatnonzero(numbers == number)
        difference = fingerprints[0][like][:, None] - fingerprints[1][like]
        _, chosen = linear_sum_assignment((difference**2).sum(axis=-1))
        order[like] = like[chosen]
    return order


def _centred(positions: Float[np.ndarray, "atom 3"]) -> Float[np.ndarray, "atom 3"]:
    return positions - positions.mean(axis=0)
