"""Intervals of probabilities."""

import numpy as np
from jaxtyping import Float
from scipy.special import ndtri

QUANTILE = float(ndtri(0.975))


def wilson(
    fraction: Float[np.ndarray, "..."], n: float | Float[np.ndarray, "..."]
) -> tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."]]:
    """Return the 95 % interval of a probability from a fraction of `n` independent cases.

    (p + z^2/2n ± z sqrt(p (1 - p)/n + z^2/4n^2)) / (1 + z^2/n). It has a width at p = 0, too.

    Source: E. B. Wilson, J. Am. Stat. Assoc. 22, 209 (1927).

    Args:
        fraction: Between 0 and 1.
        n: Number of cases; the effective one for weighted cases.
    """
    z2 = QUANTILE**2
    centre = (fraction + z2 / (2 * n)) / (1 + z2 / n)
    half = QUANTILE * np.sqrt(np.maximum(fraction * (1 - fraction), 0) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return np.clip(centre - half, 0.0, fraction), np.clip(centre + half, fraction, 1.0)


def agresti_coull(
    mean: Float[np.ndarray, "..."], error: Float[np.ndarray, "..."], n: float | Float[np.ndarray, "..."]
) -> tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."]]:
    """Return the 95 % interval of the mean of estimates of a probability, which may lie beyond 0 and 1.

    z^2/2 estimates of 0 and as many of 1 are added to `n`: 1.96 standard errors about the mean of all of
    them, and at least as many of `error` about `mean`. So it has a width where all estimates are alike, as
    those of windows are before the first event. Of fractions it is the interval of Agresti and Coull.

    Source: A. Agresti and B. A. Coull, Am. Stat. 52, 119 (1998).

    Args:
        mean: Of the estimates.
        error: Its standard error, from their spread alone.
        n: Number of estimates; the effective one for weighted ones.
    """
    half = 0.5 * QUANTILE**2
    total = n + 2 * half
    centre = (n * mean + half) / total
    squares = n * ((n - 1) * error**2 + (mean - centre) ** 2) + half * (centre**2 + (1 - centre) ** 2)
    reach = QUANTILE * np.sqrt(squares) / total
    own = QUANTILE * error
    return np.minimum(centre - reach, mean - own), np.maximum(centre + reach, mean + own)
