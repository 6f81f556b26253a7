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
