"""Fractions of trajectories on all members of a committee: populations and yields, with two errors."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from nadyn.analysis.fates import MOST_UNKNOWN
from nadyn.analysis.intervals import QUANTILE, agresti_coull, wilson
from nadyn.analysis.two_errors import TwoErrors, two_errors


@dataclass(frozen=True)
class Share:
    """What the trajectories of one member say of some fractions.

    Attributes:
        value: What each trajectory contributes; any number where it does not count.
        weight: Of each trajectory in the mean; 0 where it does not count.
        least: What it contributes at least, whatever became of it if it was stopped.
        most: What it contributes at most.
        weight_of_all: Of each trajectory, stopped ones included.
    """

    value: Float[np.ndarray, "frame traj kind"]
    weight: Float[np.ndarray, "frame traj"]
    least: Float[np.ndarray, "frame traj kind"]
    most: Float[np.ndarray, "frame traj kind"]
    weight_of_all: Float[np.ndarray, "frame traj"]


@dataclass(frozen=True)
class Fractions:
    """Means over members with intervals, 95 % each.

    Attributes:
        members: Mean over the trajectories of each member; NaN where more than half of them are unknown.
        mean: Over members; NaN where it is for one of them.
        low: Lower end of the interval with everything in it: chance, models, and stopped trajectories that
            had the least of all fates.
        high: Upper end, stopped ones having had the most.
        sampling_low: Lower end from chance alone.
        sampling_high: Upper end.
        fate_low: Mean over members, had all stopped trajectories had the least of all fates.
        fate_high: The same of the most.
        errors: The two errors of the mean.
        model: Half of the interval from the models alone, the largest over those fates.
    """

    members: Float[np.ndarray, "member frame kind"]
    mean: Float[np.ndarray, "frame kind"]
    low: Float[np.ndarray, "frame kind"]
    high: Float[np.ndarray, "frame kind"]
    sampling_low: Float[np.ndarray, "frame kind"]
    sampling_high: Float[np.ndarray, "frame kind"]
    fate_low: Float[np.ndarray, "frame kind"]
    fate_high: Float[np.ndarray, "frame kind"]
    errors: TwoErrors
    model: Float[np.ndarray, "frame kind"]


def fractions(
    shares: Sequence[Share], pairs: Bool[np.ndarray, "member member"], *, bounded: bool = True
) -> Fractions:
    """Return the means over members of what trajectories contribute, with their intervals.

    The interval from chance is Wilson's of the mean, with as many trajectories as all members have together,
    divided by how much larger the variance of pairs is than that of independent ones (the design effect; half
    a trajectory is added that all members agree in, so that few events do not make it small). To it the error
    from the models is added as squares are.

    Source: L. Kish, Survey Sampling (Wiley, 1965); of the sum of intervals G. Y. Zou and A. Donner, Stat.
    Methods Med. Res. 17, 49 (2008).

    Args:
        shares: Of each member.
        pairs: Whether trajectories with the same number are pairs.
        bounded: Whether a contribution is between 0 and 1; else the interval from chance is that of
            `intervals.agresti_coull`, with the variance of the mean from pairs.
    """
    known = _Version([one.weight for one in shares], [one.value for one in shares], pairs, bounded=bounded)
    of_all = [one.weight_of_all for one in shares]
    least = _Version(of_all, [one.least for one in shares], pairs, bounded=bounded)
    most = _Version(of_all, [one.most for one in shares], pairs, bounded=bounded)
    # Where none at all has a vote, as in windows that all have left, nothing is known.
    unknown = np.stack(
        [1 - one.weight.sum(axis=1) / _positive(one.weight_of_all.sum(axis=1)) for one in shares]
    )
    # Where none is known, the fates alone tell.
    model = np.fmax(np.fmax(known.errors.model, least.errors.model), most.errors.model)
    low = least.mean - np.hypot(least.mean - least.low, model)
    high = most.mean + np.hypot(most.high - most.mean, model)
    says = np.where((unknown > MOST_UNKNOWN).any(axis=0), np.nan, 1.0)[:, None]
    return Fractions(
        members=np.where(unknown[..., None] > MOST_UNKNOWN, np.nan, known.members),
        mean=says * known.mean,
        low=np.maximum(low, 0.0) if bounded else low,
        high=np.minimum(high, 1.0) if bounded else high,
        sampling_low=says * known.low,
        sampling_high=says * known.high,
        fate_low=least.mean,
        fate_high=most.mean,
        errors=known.errors,
        model=model,
    )


class _Version:
    """Means over members in one view of the stopped trajectories, with the interval from chance."""

    def __init__(
        self,
        weights: Sequence[Float[np.ndarray, "frame traj"]],
        values: Sequence[Float[np.ndarray, "frame traj kind"]],
        pairs: Bool[np.ndarray, "member member"],
        *,
        bounded: bool,
    ) -> None:
        self.members = np.stack([mean_of(*one) for one in zip(weights, values, strict=True)])
        covariance = covariance_of(weights, values, self.members, pairs)
        found = two_errors(self.members, covariance)
        self.mean = found.mean
        n = _of_trajectories(weights)
        if bounded:
            several = ~np.eye(len(weights), dtype=bool)
            enlarged = _design_effect(covariance, n, paired=bool((pairs & several).any()))
            self.low, self.high = wilson(self.mean, n[:, None] / enlarged)
        else:
            self.low, self.high = agresti_coull(self.mean, found.sampling, n[:, None])
        self.errors = replace(found, sampling=0.5 * (self.high - self.low) / QUANTILE)


def mean_of(
    weight: Float[np.ndarray, "frame traj"], value: Float[np.ndarray, "frame traj kind"]
) -> Float[np.ndarray, "frame kind"]:
    """Return the weighted mean over trajectories; NaN where none counts."""
    total = weight.sum(axis=1)[:, None]
    # What does not count may be NaN.
    summed = np.einsum("ft,ftk->fk", weight, np.where(weight[..., None] > 0, value, 0.0))
    return np.divide(summed, total, out=np.full(summed.shape, np.nan), where=total > 0)


def covariance_of(
    weights: Sequence[Float[np.ndarray, "frame traj"]],
    values: Sequence[Float[np.ndarray, "frame traj kind"]],
    means: Float[np.ndarray, "member frame kind"],
    pairs: Bool[np.ndarray, "member member"],
) -> Float[np.ndarray, "member member frame kind"]:
    """Return the covariance of the errors by chance of the weighted means of all members.

    That of the jackknife over trajectories to first order: a trajectory moves the mean by w (y - mean) / Σw.
    One that does not count moves it by nothing. Of members with different numbers of trajectories the first
    ones are pairs.

    Args:
        weights: Of the trajectories of each member.
        values: Their contributions.
        means: Their means.
        pairs: Whether trajectories with the same number are pairs.
    """
    moves, corrections = [], []
    for weight, value, mean in zip(weights, values, means, strict=True):
        part = weight / _positive(weight.sum(axis=1))[:, None]
        centred = np.where(part[..., None] > 0, value - mean[:, None, :], 0.0)
        moves.append(part[..., None] * centred)
        n = 1 / _positive((part**2).sum(axis=1))
        corrections.append(np.sqrt(n / np.maximum(n - 1, 1))[:, None])
    found = np.zeros((len(values), *means.shape))
    for m in range(len(values)):
        for other in range(m + 1):
            if m == other or pairs[m, other]:
                both = min(moves[m].shape[1], moves[other].shape[1])
                product = np.einsum("ftk,ftk->fk", moves[m][:, :both], moves[other][:, :both])
                found[m, other] = found[other, m] = product * corrections[m] * corrections[other]
    return found


def _of_trajectories(weights: Sequence[Float[np.ndarray, "frame traj"]]) -> Float[np.ndarray, "frame"]:
    """Return how many independent trajectories would give the mean over members as exactly."""
    inverse = [(one**2).sum(axis=1) / _positive(one.sum(axis=1) ** 2) for one in weights]
    total = np.sum(inverse, axis=0)
    return np.divide(len(weights) ** 2, total, out=np.ones_like(total), where=total > 0)


def _design_effect(
    covariance: Float[np.ndarray, "member member frame kind"], n: Float[np.ndarray, "frame"], *, paired: bool
) -> Float[np.ndarray, "frame kind"]:
    """Return how many times as large as of independent trajectories the variance of the mean is."""
    if not paired:
        return np.ones(covariance.shape[2:])
    n_members = len(covariance)
    events = (n**2 / n_members**2)[:, None]
    every, own = covariance.sum(axis=(0, 1)) * events, np.einsum("mmfk->fk", covariance) * events
    return (np.maximum(every, 0.0) + 0.5 * n_members) / (own + 0.5)


def _positive(values: np.ndarray) -> np.ndarray:
    return np.maximum(values, 1e-300)
