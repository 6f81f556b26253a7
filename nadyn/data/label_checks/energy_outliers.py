"""Energies that fit to no neighbour: frames of another state, another method, or none that converged."""

import numpy as np

from nadyn.data.dataset import Group
from nadyn.data.frames_in_words import frames_in_words
from nadyn.data.label_checks.doubt import Doubt
from nadyn.data.similarity import fingerprints
from nadyn.units import ELECTRONVOLT_PER_HARTREE, HARTREE_PER_EV

_NEIGHBOURS = 5
FEWEST_FRAMES = 20
# So many times the usual change of energy with distance. Sets that are in order, of eight molecules and up to
# 3000 frames, come up to 6, ammonia near its intersection, compressed by 12 eV, in one frame to 12.
_MOST = 20.0
_LEAST_HARTREE = 1.0 * HARTREE_PER_EV
_ROWS = 500
_NO_DISTANCE = 1e-12


def energy_outliers(group: Group) -> Doubt | None:
    """Return the frames whose energy differs from that of each of five neighbours far more than is usual.

    The measure is |E_i - E_j| / (d_ij + d) with the distance d_ij of sorted interatomic distances and the
    usual distance d to the nearest frame, of the neighbour for which it is smallest; what is usual is its
    median.
    """
    if group.pbc.any() or group.n_atoms < 2 or group.n_frames < FEWEST_FRAMES:
        return None
    features = fingerprints(group)
    features = features - features.mean(axis=0)
    squares = (features**2).sum(axis=1)
    neighbours, lengths = [], []
    for start in range(0, group.n_frames, _ROWS):
        rows = np.arange(start, min(start + _ROWS, group.n_frames))
        distance = squares[rows, None] + squares - 2.0 * features[rows] @ features.T
        distance[np.arange(len(rows)), rows] = np.inf
        nearest = np.argpartition(distance, _NEIGHBOURS - 1, axis=1)[:, :_NEIGHBOURS]
        neighbours.append(nearest)
        lengths.append(np.sqrt(np.maximum(np.take_along_axis(distance, nearest, axis=1), 0.0)))
    neighbour, length = np.concatenate(neighbours), np.concatenate(lengths)
    usual_length = np.median(length.min(axis=1))
    change = np.abs(group.energies[:, None] - group.energies[neighbour])
    # Where every frame has a copy, the usual distance is none.
    slope = change / np.maximum(length + usual_length, _NO_DISTANCE)[..., None]
    usual = np.median(slope, axis=(0, 1))
    far_off = (slope.min(axis=1) > _MOST * usual) & (change.min(axis=1) > _LEAST_HARTREE)
    outliers = far_off.any(axis=1)
    if not outliers.any():
        return None
    least = np.where(far_off, change.min(axis=1), 0.0)
    frame, state = np.unravel_index(np.argmax(least), least.shape)
    return Doubt(
        f"energies must be near those of near geometries, but in {frames_in_words(outliers)} they are not: "
        f"that of state {state} in frame {frame} differs by "
        f"{least[frame, state] * ELECTRONVOLT_PER_HARTREE:.3g} eV from each of its five nearest ones.",
        outliers,
    )
