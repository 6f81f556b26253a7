"""Sums over trajectories from which means and distributions of a coordinate over time follow.

Means and standard deviations are those of all trajectories at once. Quantiles come from a histogram a frame,
whose memory is bounded whatever the number of trajectories: they are good to the width of a bin.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from nadyn.analysis.fates import MOST_UNKNOWN
from nadyn.analysis.geometry import Quantity, measure
from nadyn.trajectory import Run

# Bins of all frames together, 32 MB, and of one frame.
_MOST_CELLS, _MOST_BINS = 4_000_000, 3600
# Lengths are binned by their logarithm between these [angstrom]; generalised coordinates by the inverse
# hyperbolic sine, linear below the first number and logarithmic up to the second [bohr].
_LENGTHS = (0.05, 5000.0)
_LINEAR, _LARGEST = 0.01, 1e6


@dataclass(frozen=True)
class CoordinateSums:
    """Sums over the trajectories of one part or of several.

    Attributes:
        quantity: The coordinate; of a dihedral its size.
        all_weight: Of all trajectories.
        weight: Of those that run, a frame.
        moments: Their number, the sum of their values, the sum of their squares.
        counts: Their weight in each bin.
    """

    quantity: Quantity
    all_weight: float
    weight: Float[np.ndarray, "frame"]
    moments: Float[np.ndarray, "3 frame"]
    counts: Float[np.ndarray, "frame bin"]

    def __add__(self, other: "CoordinateSums") -> "CoordinateSums":
        """Return those of both parts together."""
        return replace(
            self,
            all_weight=self.all_weight + other.all_weight,
            weight=self.weight + other.weight,
            moments=self.moments + other.moments,
            counts=self.counts + other.counts,
        )


def coordinate_sums(run: Run, quantity: Quantity) -> CoordinateSums:
    """Return the sums over the trajectories of a run."""
    alive, values = run.alive(), measure(run, quantity)
    values = np.abs(values) if quantity.kind == "dihedral" else values
    seen = alive & np.isfinite(values)
    n_frames = len(values)
    bins = min(_MOST_BINS, max(2, _MOST_CELLS // max(n_frames, 1)))
    edges = _edges(quantity, bins)
    counts = np.zeros((n_frames, bins))
    for frame in range(n_frames):
        there = seen[frame]
        place = np.searchsorted(edges, values[frame, there], side="right") - 1
        counts[frame] = np.bincount(np.clip(place, 0, bins - 1), run.weight[there], bins)
    shown = np.where(seen, values, 0.0)
    moments = np.stack([seen.sum(axis=1), shown.sum(axis=1), (shown**2).sum(axis=1)]).astype(float)
    return CoordinateSums(quantity, float(run.weight.sum()), alive @ run.weight, moments, counts)


def followed_of(sums: CoordinateSums, quantiles: Sequence[float]) -> dict[str, object]:
    """Return what `geometry` of `nadyn analyse` says of a coordinate.

    Args:
        sums: Over all trajectories.
        quantiles: Parts of the trajectories that are below a value.
    """
    some = sums.weight >= (1 - MOST_UNKNOWN) * sums.all_weight
    number, total, squares = (np.where(some, row, np.nan) for row in sums.moments)
    mean = total / np.maximum(number, 1)
    # Rounding must not make it negative where all values are the same.
    spread = np.sqrt(np.maximum(squares / np.maximum(number, 1) - mean**2, 0.0))
    edges = _edges(sums.quantity, sums.counts.shape[1])
    middles = 0.5 * (edges[1:] + edges[:-1])
    reached = np.cumsum(sums.counts, axis=1)
    rows = {}
    for q in quantiles:
        place = (reached < q * reached[:, -1:] * (1 - 1e-12)).sum(axis=1)
        rows[f"{q:g}"] = np.where(some, middles[np.minimum(place, len(middles) - 1)], np.nan)
    return {
        "kind": sums.quantity.kind,
        "atoms": list(sums.quantity.atoms),
        "unit": sums.quantity.unit,
        "mean": mean,
        "standard_deviation": spread,
        "quantiles": rows,
    }


def _edges(quantity: Quantity, bins: int) -> Float[np.ndarray, "edge"]:
    if quantity.kind in ("distance", "separation"):
        return np.geomspace(*_LENGTHS, bins + 1)
    if quantity.kind == "coordinate":
        reach = np.arcsinh(_LARGEST / _LINEAR)
        return _LINEAR * np.sinh(np.linspace(-reach, reach, bins + 1))
    low, high = (-90.0, 90.0) if quantity.kind == "pyramidalisation" else (0.0, 180.0)
    return np.linspace(low, high, bins + 1)
