"""Are the couplings h = ⟨k|∇W|l⟩ or d = h / (E_l - E_k)? Only d grows without bound where the gap closes."""

import numpy as np

from nadyn.data.dataset import Group
from nadyn.data.label_checks.doubt import Doubt

_FEWEST_FRAMES = 30
# Between the 90th and the 10th percentile of the gap: less says nothing about a power of it.
_SMALLEST_RANGE = 3.0
_STEEPEST = -0.6


def couplings_like_d(group: Group) -> Doubt | None:
    """Return a doubt where |label| falls with the gap like a power below -0.6: d has -1, h has 0.

    Where the gap closes h is finite. Measured: -0.02 to 0.27 for h of four molecules, -0.97 for d of ammonia.
    Pairs of states count whose gap varies by a factor of three and more between its 10th and 90th percentile.
    """
    if group.interstate_couplings is None:
        return None
    norms = np.sqrt((group.interstate_couplings**2).sum(axis=(2, 3)))
    for pair, (k, l) in enumerate(group.pairs):
        gap = group.energies[:, l] - group.energies[:, k]
        known = np.isfinite(norms[:, pair]) & (norms[:, pair] > 0) & (gap > 0)
        if group.multiplicities[k] != group.multiplicities[l] or known.sum() < _FEWEST_FRAMES:
            continue
        low, high = np.quantile(gap[known], (0.1, 0.9))
        if high < _SMALLEST_RANGE * low:
            continue
        slope, error = _slope(np.log(gap[known]), np.log(norms[known, pair]))
        if slope + 3.0 * error < _STEEPEST:
            return Doubt(
                f"`interstate_couplings` must be h = (E_l - E_k) d, but those of states {k} and {l} grow as "
                f"the gap to the power {slope:.2f} where it closes, as d does (h has 0). If they are d, "
                "`nadyn convert --couplings d` makes h of them."
            )
    return None


def _slope(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Return the slope of a straight line by least squares, and its standard error."""
    x = x - x.mean()
    slope = float((x * y).sum() / (x**2).sum())
    rest = y - y.mean() - slope * x
    return slope, float(np.sqrt((rest**2).sum() / (len(x) - 2) / (x**2).sum()))
