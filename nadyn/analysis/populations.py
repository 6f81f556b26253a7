"""Populations of the states, with intervals that hold whatever became of the stopped trajectories."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import ndtri

from nadyn.analysis.fates import MOST_UNKNOWN, effective_number, known
from nadyn.checks.errors import InputError
from nadyn.trajectory import Run

QUANTILE = float(ndtri(0.975))


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
        electronic: Mean |c|^2 over the same trajectories as `mean`.
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
    is_known = known(run)
    occupation = occupations(run)
    weight = _counted(run, is_known, occupation)
    # A trajectory that is known but in no window of its method has no vote, now or had it gone on.
    total = np.where(is_known & (weight == 0), 0.0, run.weight[None, :]).sum(axis=1)[:, None]
    in_state = np.einsum("ft,fts->fs", weight, np.where(weight[..., None] != 0, occupation, 0.0)) / total
    fate_unknown = np.maximum(1.0 - weight.sum(axis=1)[:, None] / total, 0.0)
    n = effective_number(run.weight)
    if run.populations_adiabatic is None:
        low, high = wilson(in_state, n)[0], wilson(np.minimum(in_state + fate_unknown, 1.0), n)[1]
    else:
        low, high = _interval_of_means(weight, occupation, in_state, fate_unknown)
    weight_of_mean = np.where(fate_unknown > MOST_UNKNOWN, 0.0, weight)
    electronic = (np.asarray(run.coefficients) ** 2).sum(axis=-1)
    diabatic = diabatic_error = None
    if run.diabatic_populations is not None:
        diabatic, diabatic_error = mean_and_error(run, np.asarray(run.diabatic_populations))
    mean = _mean(weight_of_mean, occupation)
    # A stopped trajectory stays in the file as it was before the step that failed.
    held = _mean(_counted(run, np.ones_like(is_known), occupation), occupation)
    by_chance = _by_chance(run, weight, occupation, mean)
    return Populations(
        time_fs=run.time_fs,
        mean=mean,
        low=low,
        high=high,
        counted=is_known.sum(axis=1),
        held=held,
        differ=(held < by_chance[0]) | (held > by_chance[1]),
        electronic=_mean(weight_of_mean, electronic),
        diabatic=diabatic,
        diabatic_error=diabatic_error,
    )


def mean_and_error(
    run: Run, values: Float[np.ndarray, "frame traj kind"]
) -> tuple[Float[np.ndarray, "frame kind"], Float[np.ndarray, "frame kind"]]:
    """Return the weighted mean over trajectories that are known and have a value, and its standard error.

    NaN where more than half of the trajectories are unknown, by weight.

    For the error, half a trajectory with the value 0 and half a one with the value 1 are added to n: a mean
    of diabatic populations is often carried by rare trajectories, near a crossing, and those who have drawn
    none of them see no spread at all.
    """
    is_known = known(run)
    weight = _counted(run, is_known, values)
    unknown = (~is_known @ run.weight)[:, None]
    weight = np.where(unknown > MOST_UNKNOWN * (unknown + weight.sum(axis=1)[:, None]), 0.0, weight)
    mean, squares = _mean(weight, values), (weight**2).sum(axis=1)
    n = np.divide(weight.sum(axis=1) ** 2, squares, out=np.full(len(weight), np.nan), where=squares > 0)[
        :, None
    ]
    spread = n * _mean(weight, (values - mean[:, None, :]) ** 2)
    return mean, np.sqrt((spread + 0.5 * mean**2 + 0.5 * (1 - mean) ** 2) / (n * (n + 1)))


def _counted(
    run: Run, is_known: Bool[np.ndarray, "frame traj"], values: Float[np.ndarray, "frame traj kind"]
) -> Float[np.ndarray, "frame traj"]:
    """Return the weights of those that are known and have a value; windows may leave some without."""
    return np.where(is_known & np.isfinite(values).all(axis=-1), run.weight[None, :], 0.0)


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


def occupations(run: Run) -> Float[np.ndarray, "frame traj state"]:
    """Return what each trajectory contributes to each population: the method's estimate if there is one.

    Raises:
        InputError: The file has none and its estimator is unknown.
    """
    if run.populations_adiabatic is not None:
        return np.asarray(run.populations_adiabatic)
    estimator = str(run.attributes["population_estimator"])
    if estimator.startswith("fraction of trajectories"):
        return (np.asarray(run.active_state)[..., None] == np.arange(run.n_states)).astype(float)
    if estimator.startswith("mean |c|^2"):
        # Between 0 and 1 in each trajectory: the interval of a fraction is then on the safe side.
        return (np.asarray(run.coefficients) ** 2).sum(axis=-1)
    raise InputError(
        f"`population_estimator` must be a known one, but is {estimator!r}. "
        "Known: fraction of trajectories, mean |c|^2. Try a newer nadyn."
    )


def _interval_of_means(
    weight: Float[np.ndarray, "frame traj"],
    values: Float[np.ndarray, "frame traj state"],
    in_state: Float[np.ndarray, "frame state"],
    fate_unknown: Float[np.ndarray, "frame 1"],
) -> tuple[Float[np.ndarray, "frame state"], Float[np.ndarray, "frame state"]]:
    """95 % about a mean of estimates, which need not lie between 0 and 1 in a single trajectory.

    A stopped trajectory may have had any value between 0 and 1, and any that was seen.
    """
    half = QUANTILE * _standard_error(weight, values)
    seen = np.where(weight[..., None] > 0, values, np.nan)
    lowest = np.minimum(np.nanmin(seen, axis=(0, 1), initial=np.inf), 0.0)
    highest = np.maximum(np.nanmax(seen, axis=(0, 1), initial=-np.inf), 1.0)
    return in_state + fate_unknown * lowest - half, in_state + fate_unknown * highest + half


def _by_chance(
    run: Run,
    weight: Float[np.ndarray, "frame traj"],
    values: Float[np.ndarray, "frame traj state"],
    mean: Float[np.ndarray, "frame state"],
) -> tuple[Float[np.ndarray, "frame state"], Float[np.ndarray, "frame state"]]:
    """Return the ends of the 95 % interval of a mean, had nothing been stopped."""
    if run.populations_adiabatic is not None:
        half = QUANTILE * _standard_error(weight, values)
        # The same numbers in another order of addition are no difference.
        return mean - half - 1e-9, mean + half + 1e-9
    squares = (weight**2).sum(axis=1)
    n = np.divide(weight.sum(axis=1) ** 2, squares, out=np.ones(len(weight)), where=squares > 0)[:, None]
    return wilson(mean, n)


def _mean(
    weight: Float[np.ndarray, "frame traj"], values: Float[np.ndarray, "frame traj kind"]
) -> Float[np.ndarray, "frame kind"]:
    total = weight.sum(axis=1)
    # A stopped trajectory may hold NaN; its weight is zero, but 0 * NaN is not.
    summed = np.einsum("ft,ftk->fk", weight, np.where(weight[..., None] > 0, values, 0.0))
    return np.divide(summed, total[:, None], out=np.full(summed.shape, np.nan), where=total[:, None] > 0)


def _standard_error(
    weight: Float[np.ndarray, "frame traj"], values: Float[np.ndarray, "frame traj kind"]
) -> Float[np.ndarray, "frame kind"]:
    mean = _mean(weight, values)
    variance = _mean(weight, (values - mean[:, None, :]) ** 2)
    squares = (weight**2).sum(axis=1)
    n = np.divide(weight.sum(axis=1) ** 2, squares, out=np.ones(len(weight)), where=squares > 0)
    return np.sqrt(variance / np.maximum(n - 1, 1)[:, None])
