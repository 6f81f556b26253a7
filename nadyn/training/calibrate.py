"""From errors on labels that no member saw to the calibrated spread of a committee.

The form of σ² is that of `nadyn.models.calibration`. How much the offset and the spread of the forces count
beside the spread itself is what makes the errors most likely, as those of a Student's t distribution, which
outliers do not bend. How large σ is as a whole is such that the parts within σ and 2σ come closest to 68.3
and 95.4 %, in units of 5 and 3 %: errors have longer tails than a normal distribution, and a factor that fits
one of them alone misses the other. Errors of all members count, because each may move the nuclei.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from nadyn.checks.errors import InputError
from nadyn.data import Dataset
from nadyn.models.calibration import Calibration, Scale
from nadyn.models.committee import Committee
from nadyn.training.reliability import WITHIN_ONE, WITHIN_TWO, Sample, coverage, samples_of

# Beside the spread itself, in units of the typical size of each.
_SHARES = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0)
_DEGREES_OF_FREEDOM = 4.0
_TOLERANCE_ONE, _TOLERANCE_TWO = 0.05, 0.03
# More errors than these say nothing more.
_MOST = 20_000
# Fewer labels than these make no scale.
FEWEST_VALUES = 20
_TINY = 1e-12


def calibrated(committee: Committee, unseen: Dataset) -> Committee:
    """Return the committee with the calibration that follows from labels which no member has seen.

    A calibration that it had is forgotten. Of a quantity with fewer than 20 labels the spread stays raw.

    Args:
        committee: Members of one training.
        unseen: Frames that none of them was trained on, and that chose the weights of none.

    Raises:
        InputError: There are too few labels, or the numbers of states differ.
    """
    samples = samples_of(committee, unseen)
    scales = {name: fitted(sample) for name, sample in samples.items() if len(sample.errors) >= FEWEST_VALUES}
    if "energy" not in scales:
        raise InputError(
            f"a committee must be calibrated on {FEWEST_VALUES} labels at least, its members counted one by "
            f"one, but there are {len(samples['energy'].errors)}. Hold out more frames."
        )
    return replace(committee, calibration=Calibration(scales, unseen.n_frames))


def fitted(sample: Sample) -> Scale:
    """Return the scale of a quantity."""
    some = _some(sample)
    typical = max(float(np.median(some.spreads)), _TINY)
    by_force = typical / max(float(np.median(some.force_spreads)), _TINY)
    best, lowest = Scale(1.0), np.inf
    for offset in _SHARES:
        for share in _SHARES:
            shape = Scale(1.0, offset * typical, share * by_force)
            size = _size(some, shape)
            cost = _cost(some.errors / (size * np.maximum(some.calibrated(shape), _TINY)))
            cost += np.log(size) + float(np.log(np.maximum(some.calibrated(shape), _TINY)).mean())
            if cost < lowest - 1e-9:
                lowest = cost
                best = Scale(size, size * shape.offset, size * shape.by_force)
    found = coverage(sample, best)
    return replace(best, coverage=found.within, n_values=found.n_values)


def _size(sample: Sample, shape: Scale) -> float:
    """Return what to multiply σ by, so that the parts within σ and 2σ are about those of a normal one."""
    ratios = np.sort(sample.errors / np.maximum(sample.calibrated(shape), _TINY))
    # One of the ratios, or half of one: between them nothing changes.
    trials = np.unique(np.quantile(ratios, np.linspace(0.3, 0.95, 261)))
    trials = np.maximum(trials, _TINY)
    one, two = (np.searchsorted(ratios, times * trials, side="right") / len(ratios) for times in (1, 2))
    misses = ((one - WITHIN_ONE) / _TOLERANCE_ONE) ** 2 + ((two - WITHIN_TWO) / _TOLERANCE_TWO) ** 2
    return float(trials[np.argmin(misses)])


def _cost(ratios: Float[np.ndarray, "value"]) -> float:
    """Return the mean of -ln p, without what depends on σ alone."""
    nu = _DEGREES_OF_FREEDOM
    return float(0.5 * (nu + 1.0) * np.log1p(ratios**2 / nu).mean())


def _some(sample: Sample) -> Sample:
    n = len(sample.errors)
    if n <= _MOST:
        return sample
    rows = np.random.default_rng(n).permutation(n)[:_MOST]
    return Sample(sample.errors[rows], sample.spreads[rows], sample.force_spreads[rows])
