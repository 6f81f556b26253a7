"""The error of a mean over the members of a committee: what chance leaves open, and what the models do."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import chdtri, ndtr

from nadyn.analysis.intervals import QUANTILE

_NODES = 96
_HALVINGS = 44


@dataclass(frozen=True)
class TwoErrors:
    """A mean over members and its errors; the axes of `kind` are those of what is averaged.

    Attributes:
        mean: Over members, each counting once.
        sampling: Its standard error from the finite number of trajectories.
        between: Standard deviation between members, as it was seen.
        noise: Standard deviation between members that the finite number of trajectories makes alone.
        n_members: Number of members.
    """

    mean: Float[np.ndarray, "*kind"]
    sampling: Float[np.ndarray, "*kind"]
    between: Float[np.ndarray, "*kind"]
    noise: Float[np.ndarray, "*kind"]
    n_members: int

    @property
    def spread(self) -> Float[np.ndarray, "*kind"]:
        """Standard deviation between the models; 0 where chance explains all that is seen."""
        return np.sqrt(np.maximum(self.between**2 - self.noise**2, 0.0))

    @property
    def total(self) -> Float[np.ndarray, "*kind"]:
        """Half of the 95 % interval with both errors, see `half_width`."""
        return half_width(self.between, self.noise, self.sampling, self.n_members)

    @property
    def model(self) -> Float[np.ndarray, "*kind"]:
        """Half of the 95 % interval from the models: the part of `total` that chance does not make."""
        return np.sqrt(np.maximum(self.total**2 - (QUANTILE * self.sampling) ** 2, 0.0))


def two_errors(
    values: Float[np.ndarray, "member *kind"], covariance: Float[np.ndarray, "member member *kind"]
) -> TwoErrors:
    """Return the mean over members with the error from trajectories and that from the models.

    With C the covariance of the errors of M members by chance, the mean has the variance Σ C_ml / M². Between
    members chance makes the variance (Σ C_mm - Σ C_ml / M) / (M - 1). Members whose trajectories are pairs
    share a part of their errors, a covariance: they then differ by chance less than independent ones.

    Args:
        values: Of each member.
        covariance: Of their errors by chance; 0 between members with independent trajectories.
    """
    n = len(values)
    every, own = covariance.sum(axis=(0, 1)), np.einsum("mm...->...", covariance)
    return TwoErrors(
        values.mean(axis=0),
        np.sqrt(np.maximum(every, 0.0)) / n,
        values.std(axis=0, ddof=1),
        np.sqrt(np.maximum(own - every / n, 0.0) / (n - 1)),
        n,
    )


def half_width(
    between: Float[np.ndarray, "*kind"],
    noise: Float[np.ndarray, "*kind"],
    sampling: Float[np.ndarray, "*kind"],
    n_members: int,
) -> Float[np.ndarray, "*kind"]:
    """Return half of the 95 % interval about the mean over M members.

    The truth is taken as one more member: models that learned from the same labels are as far from it as from
    each other, and the error does not fall with the number of members. Were the variance T = σ² + noise²
    between members known, the mean would miss the truth with the variance (1 + 1/M) σ² + sampling². M members
    with the variance S² say that T is S² (M - 1) / χ², with χ² of M - 1 degrees of freedom, and at least
    noise². The interval holds 95 % of the normal distributions that follow, each with its T.

    Without chance that is Student's t with M - 1 degrees of freedom times S sqrt(1 + 1/M): 15.6 S for two
    members, 5.0 for three, 3.6 for four, 2.5 for eight. Where chance explains what is seen, σ is 0 in a part
    of the distributions, and the interval is wider than that of chance by what cannot be excluded.

    Source: in the way of a prediction interval of random effects, K. Nagashima, H. Noma and T. A. Furukawa,
    Stat. Methods Med. Res. 28, 1689 (2019).

    Args:
        between: Standard deviation S between members.
        noise: That which chance makes alone.
        sampling: Standard error of the mean by chance.
        n_members: M, two or more.
    """
    shape = np.broadcast_shapes(np.shape(between), np.shape(noise), np.shape(sampling))
    given = (between, noise, sampling)
    seen, chance, error = (np.broadcast_to(one, shape).astype(float) ** 2 for one in given)
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    # In the square of the probability: small χ² and large T are what decides.
    part = (0.5 * (1 + nodes)) ** 2
    weights = weights * 0.5 * (1 + nodes)
    chi2 = chdtri(n_members - 1, 1 - part).reshape(-1, *[1] * len(shape))
    variance = np.maximum(seen * (n_members - 1) / chi2, chance) - chance
    scale = np.sqrt((1 + 1 / n_members) * variance + error)
    low, high = np.zeros(shape), QUANTILE * np.sqrt(error) + 40.0 * np.sqrt(seen + chance)
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        with np.errstate(divide="ignore", invalid="ignore"):
            beyond = 2 * ndtr(-np.nan_to_num(middle / scale, nan=0.0, posinf=np.inf))
        outside = np.einsum("n,n...->...", weights, beyond)
        low, high = np.where(outside > 0.05, middle, low), np.where(outside > 0.05, high, middle)
    return np.where(np.isfinite(seen + chance + error), 0.5 * (low + high), np.nan)


def expected(
    found: TwoErrors, *, trajectories: float = 1.0, spread: float = 1.0, n_members: int | None = None
) -> Float[np.ndarray, "*kind"]:
    """Return half of the 95 % interval that is to be expected of more trajectories, labels or members.

    Args:
        found: What there is.
        trajectories: How many times as many there would be.
        spread: What the standard deviation between the models would be multiplied with.
        n_members: How many members there would be; without it as many as there are.
    """
    noise, n = found.noise / np.sqrt(trajectories), n_members or found.n_members
    # Pairs share what is not noise; only the noise falls with the number of members.
    shared = np.maximum(found.sampling**2 - found.noise**2 / found.n_members, 0.0) / trajectories
    sampling = np.sqrt(shared + noise**2 / n)
    return half_width(np.sqrt((spread * found.spread) ** 2 + noise**2), noise, sampling, n)
