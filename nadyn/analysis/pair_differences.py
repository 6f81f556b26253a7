"""Populations of two runs whose trajectories are pairs: how much they differ, and what chance makes of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from nadyn.analysis.intervals import QUANTILE

# Fewest pairs whose mean is spoken of, and draws that tell what chance makes.
_FEWEST_PAIRS, _DRAWS = 5, 1000


@dataclass(frozen=True)
class Difference:
    """The largest difference of a population between two runs on the same starts.

    Attributes:
        largest: |ΔP| where it is largest, over times and states.
        error: Standard error of ΔP there, of pairs of trajectories.
        time_fs: When.
        state: Of which state.
        to_the_end: Whether enough pairs are known at all times; what is lost on the way has no difference.
        at_least: What |ΔP| is at least somewhere, with 95 % confidence and whatever became of those that were
            stopped: of two runs that are alike it is above zero in one of twenty comparisons at most, however
            many times and states it was sought among.
        n_times: At how many times enough pairs are known; with none of them the rest means nothing.
        at_least_of_known: The same of the pairs that are known alone. Where what stops a trajectory has to do
            with its state, these may differ though the runs are alike.
    """

    largest: float
    error: float
    time_fs: float
    state: int
    to_the_end: bool = True
    at_least: float = 0.0
    n_times: int = 1
    at_least_of_known: float = 0.0


def paired_difference(
    time_fs: Float[np.ndarray, "frame"],
    first: Float[np.ndarray, "frame traj state"],
    second: Float[np.ndarray, "frame traj state"],
    *,
    fates: tuple[Float[np.ndarray, "frame traj state"], Float[np.ndarray, "frame traj state"]] | None = None,
) -> Difference:
    """Return the largest difference between populations of two runs whose trajectories are pairs.

    Args:
        time_fs: Of each frame.
        first: Contribution of each trajectory to each population; NaN where its state is not known.
        second: The same of the other run.
        fates: The least and the most that `second` may be where it is not known; see `fates_of` without it.
    """
    mean, error, known_pairs = differences(first, second)
    # Times at which few pairs are left say little.
    enough = known_pairs.sum(axis=1) >= max(_FEWEST_PAIRS, 0.5 * known_pairs.shape[1])
    if not enough.any():
        return Difference(0.0, 0.0, float(time_fs[0]), 0, to_the_end=False, n_times=0)
    rows = np.flatnonzero(enough)
    size = np.abs(mean[rows])
    row, state = np.unravel_index(int(np.argmax(size)), size.shape)
    known = (second - first)[rows]
    own, other = fates_of(first), fates_of(second) if fates is None else fates
    # Second minus first, had those that were stopped the least and the most of all fates.
    views = [other[0][rows] - own[1][rows], other[1][rows] - own[0][rows]]
    return Difference(
        float(size[row, state]),
        float(error[rows][row, state]),
        float(time_fs[rows[row]]),
        int(state),
        to_the_end=bool(enough.all()),
        at_least=_at_least(views),
        n_times=len(rows),
        at_least_of_known=_at_least([known, known]),
    )


def fates_of(
    values: Float[np.ndarray, "frame traj state"],
) -> tuple[Float[np.ndarray, "frame traj state"], Float[np.ndarray, "frame traj state"]]:
    """Return the least and the most that trajectories contribute, whatever became of those not known.

    That is any value between 0 and 1, and any that was seen of the state.
    """
    unknown = np.isnan(values)
    least = np.fmin(np.nanmin(values, axis=(0, 1), initial=np.inf), 0.0)
    most = np.fmax(np.nanmax(values, axis=(0, 1), initial=-np.inf), 1.0)
    return np.where(unknown, least, values), np.where(unknown, most, values)


def _at_least(views: Sequence[Float[np.ndarray, "frame traj state"]]) -> float:
    """Return what the mean of differences is at least in size, with 95 % confidence.

    Args:
        views: The differences with the least and with the most of all fates.
    """
    (low, low_error, _), (high, high_error, _) = (_moments(one) for one in views)
    quantile = _largest_by_chance(views[:1] if views[0] is views[1] else views)
    return float(max((low - quantile * low_error).max(), (-high - quantile * high_error).max(), 0.0))


def differences(
    first: Float[np.ndarray, "frame traj state"], second: Float[np.ndarray, "frame traj state"]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the mean difference of pairs by frame and state, its standard error, and which pairs are known.

    Of pairs in which one trajectory has no state any more, at a time, neither counts then; without any pair
    both numbers are NaN. The error is that of the mean of n differences, as if half a pair more had differed,
    so that pairs that are all alike do not claim to be sure.
    """
    return _moments(second - first)


def _moments(difference: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    known_pairs = np.isfinite(difference).all(axis=2)
    n = known_pairs.sum(axis=1).astype(float)[:, None]
    values = np.where(known_pairs[..., None], difference, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = values.sum(axis=1) / n
        error = _standard_error(mean, (values**2).sum(axis=1) / n, n)
    return mean, np.where(n > 0, error, np.nan), known_pairs


def _standard_error(mean: np.ndarray, square: np.ndarray, n: np.ndarray) -> np.ndarray:
    return np.sqrt((np.maximum(square - mean**2, 0.0) * n + 0.5) / n) / np.sqrt(n)


def _largest_by_chance(views: Sequence[np.ndarray]) -> float:
    """Return how many standard errors the largest |mean| has in 95 of 100 runs that are alike.

    Pairs change sign at random, each as a whole, so that what is alike from one time to the next, and from
    one view to the other, stays so. Each draw has the error of its own mean, as the difference that it
    judges: with one error for all of them 8 to 11 of 100 runs that are alike were taken for different.
    """
    signs = np.random.default_rng(0).choice((-1.0, 1.0), size=(_DRAWS, views[0].shape[1]))
    largest = np.zeros(_DRAWS)
    for difference in views:
        known_pairs = np.isfinite(difference).all(axis=2)
        n = known_pairs.sum(axis=1).astype(float)[:, None]
        values = np.where(known_pairs[..., None], difference, 0.0)
        square = (values**2).sum(axis=1) / n
        by_chance = np.einsum("dp,fps->dfs", signs, values, optimize=True) / n
        ratios = np.abs(by_chance) / _standard_error(by_chance, square, n)
        largest = np.maximum(largest, ratios.max(axis=(1, 2)))
    return float(max(np.quantile(largest, 0.95), QUANTILE))
