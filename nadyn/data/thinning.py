"""Fewer frames that still show everything: farthest points in the similarity of geometries."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from nadyn.checks.errors import InputError
from nadyn.data.dataset import Dataset, Group
from nadyn.data.farthest_points import farthest_first
from nadyn.data.similarity import fingerprints, nearest_distances
from nadyn.units import ANGSTROM_PER_BOHR, BOHR_PER_ANGSTROM

# Positions are rounded to as many steps a bohr before two frames count as one.
_GRID = 1e4


@dataclass(frozen=True)
class Thinned:
    """What is left of a dataset.

    Attributes:
        dataset: Its kept frames, in the old order.
        radius_angstrom: How far the farthest frame left out is from the nearest kept one, of each group [Å].
    """

    dataset: Dataset
    radius_angstrom: tuple[float, ...]


def thin(dataset: Dataset, *, n: int | None = None, closest_angstrom: float = 0.0) -> Thinned:
    """Return the frames that differ most, by distances between atoms whatever way a frame is turned.

    Of each molecule the frame farthest from the mean comes first, then each time the one farthest from all
    that are kept. See `nadyn.data.similarity.fingerprints` for what a distance between two frames is.

    Args:
        dataset: What to thin.
        n: Most frames to keep of each molecule.
        closest_angstrom: No kept frame is nearer than this to another one [Å].

    Raises:
        InputError: Neither is given.
    """
    if n is None and closest_angstrom <= 0:
        raise InputError("`--n` or `--closest-angstrom` must be given, but neither is.")
    groups, radii = [], []
    for group in dataset.groups:
        kept = _kept(group, n, closest_angstrom * BOHR_PER_ANGSTROM)
        groups.append(group.select(kept))
        radii.append(_radius(group, kept))
    return Thinned(Dataset(tuple(groups)), tuple(radii))


def copies(group: Group) -> Bool[np.ndarray, "frame"]:
    """Tell which frames have the geometry of one before them, to a ten-thousandth of a bohr.

    Turned or moved copies are not seen; cells count.
    """
    arrays = [group.positions] if group.cell is None else [group.positions, group.cell]
    rounded = [np.round(array * _GRID).astype("<i8").reshape(group.n_frames, -1) for array in arrays]
    seen: set[bytes] = set()
    result = np.zeros(group.n_frames, dtype=bool)
    for frame, row in enumerate(np.concatenate(rounded, axis=1)):
        key = row.tobytes()
        result[frame] = key in seen
        seen.add(key)
    return result


def _kept(group: Group, n: int | None, closest: float) -> Int[np.ndarray, "kept"]:
    if group.n_atoms < 2 or group.n_frames == 1:
        # Nothing tells the frames of an atom apart.
        return np.arange(min(group.n_frames, n or 1))
    frames = fingerprints(group)
    return np.sort(farthest_first(frames, frames[:0], group.n_frames if n is None else n, closest=closest))


def _radius(group: Group, kept: Int[np.ndarray, "kept"]) -> float:
    if group.n_atoms < 2 or len(kept) == group.n_frames:
        return 0.0
    frames = fingerprints(group)
    rest = np.setdiff1d(np.arange(group.n_frames), kept)
    return float(nearest_distances(frames[rest], frames[kept]).max()) * ANGSTROM_PER_BOHR
