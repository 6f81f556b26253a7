"""Populations of the states, with intervals that hold whatever became of the stopped trajectories."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from nadyn.analysis.fates import MOST_UNKNOWN, has_settled, known
from nadyn.analysis.intervals import agresti_coull, wilson
from nadyn.analysis.sums import Moments, Sums, moments_of, sums_of, votes
from nadyn.trajectory import Run


@dataclass(frozen=True)
class Populations:
    """Populations over time.

    Attributes:
        time_fs: Of each frame [fs].
        mean: Over the trajectories whose state is known and which count; NaN where more than half of all are
            of unknown state, by weight: the truth may then be anything.
        low: Lower end of the 95 % interval, if no stopped trajectory is in the state.
        high: Upper end of the 95 % interval, if every stopped trajectory is in the state.
        counted: Number of trajectories whose state is known, of which `mean` is the mean.
        held: Mean over all trajectories, each of the stopped ones held at the last state it was seen in.
        differ: Whether `held` is outside the 95 % interval of `mean`, had none been stopped: the stopped ones
            are then not like the others. False where there is no mean.
        electronic: Mean |c|^2 over the same trajectories as `mean`; NaN from when on one has settled.
        diabatic: Mean diabatic populations, NaN as `mean`; None where the diabatic basis is not fixed.
        diabatic_error: Standard error of `diabatic`.
    """

    time_fs: Float[np.ndarray, "frame"]
    mean: Float[np.ndarray, "frame state"]
    low: Float[np.ndarray, "frame state"]
    high: Float[np.ndarray, "frame state"]
    counted: Int[np.ndarray, "frame"]
    held: Float[np.ndarray, "frame state"]
    differ: Bool[np.ndarray, "frame state"]
    electronic: Float[np.ndarray, "frame state"]
    diabatic: Float[np.ndarray, "frame basis"] | None
    diabatic_error: Float[np.ndarray, "frame basis"] | None


def populations(run: Run) -> Populations:
    """Return the populations of a run by the estimator that its file names.

    Raises:
        InputError: The estimator is unknown.
    """
    return populations_of(sums_of(run))


def populations_of(sums: Sums) -> Populations:
    """Return the populations that sums over all trajectories stand for."""
    found = sums.occupation
    total = sums.with_a_vote[:, None]
    in_state = found.weight[:, None] * found.middle / total
    fate_unknown = np.maximum(1.0 - found.weight[:, None] / total, 0.0)
    counts = fate_unknown <= MOST_UNKNOWN
    mean = np.where(counts, found.mean, np.nan)
    n = found.effective_number[:, None]
    if sums.estimated:
        # An estimate need not lie between 0 and 1 in a single trajectory. A stopped one may have had any
        # value between 0 and 1, and any that was seen.
        error = np.sqrt(np.where(found.weight[:, None] > 0, found.variance, 0.0) / np.maximum(n - 1, 1))
        of_known = agresti_coull(found.middle, error, n)
        low = in_state + fate_unknown * np.minimum(sums.least, 0.0) - (found.middle - of_known[0])
        high = in_state + fate_unknown * np.maximum(sums.largest, 1.0) + (of_known[1] - found.middle)
        chance = of_known
    else:
        of_all = sums.weight**2 / sums.weight_squared
        low, high = wilson(in_state, of_all)[0], wilson(np.minimum(in_state + fate_unknown, 1.0), of_all)[1]
        chance = wilson(mean, n)
    held = sums.held.mean
    diabatic, diabatic_error = (None, None)
    if sums.diabatic is not None:
        diabatic, diabatic_error = mean_and_error_of(sums.diabatic, sums.unknown, sums.settled)
    return Populations(
        time_fs=sums.time_fs,
        mean=mean,
        low=low,
        high=high,
        counted=sums.counted,
        held=held,
        differ=(held < chance[0]) | (held > chance[1]),
        # Amplitudes of one that has settled would go on to follow its state.
        electronic=np.where(counts & (sums.settled == 0)[:, None], sums.electronic.mean, np.nan),
        diabatic=diabatic,
        diabatic_error=diabatic_error,
    )


def mean_and_error(
    run: Run, values: Float[np.ndarray, "frame traj kind"]
) -> tuple[Float[np.ndarray, "frame kind"], Float[np.ndarray, "frame kind"]]:
    """Return the mean of values that depend on the geometry, and its error, see `mean_and_error_of`."""
    is_known = known(run)
    found = moments_of(votes(run, is_known, values), values)
    return mean_and_error_of(found, ~is_known @ run.weight, has_settled(run) @ run.weight)


def mean_and_error_of(
    found: Moments, unknown: Float[np.ndarray, "frame"], settled: Float[np.ndarray, "frame"]
) -> tuple[Float[np.ndarray, "frame kind"], Float[np.ndarray, "frame kind"]]:
    """Return the weighted mean over trajectories that are known and have a value, and its standard error.

    NaN where more than half of the trajectories are unknown, by weight, and from when on one has settled: its
    value would go on to change, and those that have not are no sample of all.

    For the error, half a trajectory with the value 0 and half a one with the value 1 are added to n: a mean
    of diabatic populations is often carried by rare trajectories, near a crossing, and those who have drawn
    none of them see no spread at all.

    Args:
        found: Of those that are known and have a value.
        unknown: Weight of those that are not known.
        settled: Weight of those whose state is known and whose geometry is not.
    """
    most_known = (unknown <= MOST_UNKNOWN * (unknown + found.weight)) & (found.weight > 0)
    counts = (most_known & (settled == 0))[:, None]
    mean = np.where(counts, found.mean, np.nan)
    n = found.effective_number[:, None]
    spread = n * found.variance
    return mean, np.sqrt((spread + 0.5 * mean**2 + 0.5 * (1 - mean) ** 2) / (n * (n + 1)))
