"""How alike frames of a molecule are, whatever way they are turned and however like atoms are numbered."""

import numpy as np
from jaxtyping import Float, Int

from nadyn.data.dataset import Group
from nadyn.structures import pair_distances
from nadyn.structures.distances import nearest_image_distances

# More distances are mixed down to as many numbers, which keeps distances between frames to a tenth.
_MOST_FEATURES = 128
_CHUNK = 2048
_RANDOM_PAIRS = 4000
# Consecutive frames that are closer than this part of the typical distance come from a trajectory.
_CLOSE = 0.5
_FEWEST_FRAMES = 20
# In units of the typical distance; and in units of how close one of many independent frames would come.
_NEAR, _NEARER_THAN_CHANCE = 0.1, 0.15


def fingerprints(group: Group) -> Float[np.ndarray, "frame feature"]:
    """Return for each frame its distances between atoms [bohr], sorted for each pair of elements.

    The root mean square of a difference of two of them measures how far apart two frames are. Where there are
    very many, fixed random combinations stand for them. In periodic directions the nearest image counts.
    """
    first, second = np.triu_indices(group.n_atoms, 1)
    numbers = np.sort(group.atomic_numbers[np.stack([first, second])], axis=0)
    kinds = numbers[0] * 1000 + numbers[1]
    mixing = None
    if len(first) > _MOST_FEATURES:
        mixing = np.random.default_rng(len(first)).standard_normal((len(first), _MOST_FEATURES))
        mixing /= np.sqrt(len(first))
    parts = []
    for start in range(0, group.n_frames, _CHUNK):
        distances = sorted_within_kinds(_distances(group, slice(start, start + _CHUNK)), kinds)
        parts.append(distances if mixing is None else distances @ mixing)
    return np.concatenate(parts)


def sorted_within_kinds(
    rows: Float[np.ndarray, "row column"], kinds: Int[np.ndarray, "column"]
) -> Float[np.ndarray, "row column"]:
    """Return the rows with the columns of each kind sorted: what is left where like atoms have no order."""
    return np.concatenate([np.sort(rows[:, kinds == kind], axis=1) for kind in np.unique(kinds)], axis=1)


def typical_distance(frames: Float[np.ndarray, "frame feature"]) -> float:
    """Return the median distance between two frames drawn at random, in the units of `fingerprints`."""
    first, second = np.random.default_rng(1).integers(len(frames), size=(2, _RANDOM_PAIRS))
    apart = first != second
    return float(np.median(_rms(frames[first[apart]] - frames[second[apart]]))) if apart.any() else 0.0


def consecutive_closeness(frames: Float[np.ndarray, "frame feature"]) -> float:
    """Return the median distance of consecutive frames in units of the typical one; 1 without an order."""
    typical = typical_distance(frames)
    return float(np.median(_rms(np.diff(frames, axis=0)))) / typical if typical > 0 else 1.0


def is_from_trajectories(group: Group) -> bool:
    """Tell whether consecutive frames are so alike that they must have followed each other in time."""
    if group.n_frames < _FEWEST_FRAMES or group.n_atoms < 2:
        return False
    return consecutive_closeness(fingerprints(group)) < _CLOSE


def nearest_distances(
    frames: Float[np.ndarray, "frame feature"], others: Float[np.ndarray, "other feature"]
) -> Float[np.ndarray, "frame"]:
    """Return for each frame the distance to the nearest of the others."""
    centre = others.mean(axis=0)
    frames, others = frames - centre, others - centre
    squares = (others**2).sum(axis=1)
    result = np.empty(len(frames))
    for start in range(0, len(frames), 256):
        part = frames[start : start + 256]
        best = np.argmin(squares - 2.0 * part @ others.T, axis=1)
        # Once more from the difference: a copy is at zero and not at the rounding of a product.
        result[start : start + 256] = _rms(part - others[best])
    return result


def neighbour_distance(n_frames: int, n_atoms: int) -> float:
    """Return below which part of the typical distance a frame is a neighbour of one among `n_frames`.

    A tenth, or less where so many independent frames would come that close by chance: with d = 3N - 6
    coordinates the nearest is at about n^(-1/d), of which 0.15 count.
    """
    coordinates = max(1, 3 * n_atoms - 6)
    return min(_NEAR, _NEARER_THAN_CHANCE * n_frames ** (-1.0 / coordinates))


def _rms(differences: Float[np.ndarray, "frame feature"]) -> Float[np.ndarray, "frame"]:
    return np.sqrt((differences**2).mean(axis=1))


def _distances(group: Group, frames: slice) -> Float[np.ndarray, "frame pair"]:
    positions = group.positions[frames]
    if group.cell is None or not group.pbc.any():
        return pair_distances(positions)
    return nearest_image_distances(positions, group.cell[frames], group.pbc)
