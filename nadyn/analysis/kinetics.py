"""Lifetime of the state in which trajectories start: a delayed exponential, its error by resampling."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.optimize import OptimizeResult, least_squares

from nadyn.analysis.fates import effective_number

_RESAMPLES = 1000
_FIT_POINTS = 100
_FEWEST_DECAYS = 10
_SMALLEST_LOSS = 0.1
_LONGEST_IN_WINDOWS = 5.0
_LARGE_MISFIT = 0.08
# Lilliefors: an exponential law sampled n times leaves its own fit by 1.06 / sqrt(n) in 5 % of all cases.
_MISFIT_OF_CHANCE = 1.06


@dataclass(frozen=True)
class Lifetime:
    """Lifetime of one state, or the reason why there is none.

    Attributes:
        value: [fs].
        low: Lower end of the 95 % interval, had every stopped trajectory left the state [fs].
        high: Upper end of the 95 % interval, had every stopped trajectory been in the state; None if that is
            more than five times the length of the run [fs].
        delay: Time before the decay begins [fs].
        reason: Why there is no value; empty if there is one.
        misfit: Largest difference between the population of the state and the fit; None without a fit.
    """

    value: float | None
    low: float | None
    high: float | None
    delay: float | None
    reason: str
    misfit: float | None = None


def lifetimes(
    time_fs: Float[np.ndarray, "frame"],
    state: Int[np.ndarray, "frame traj"],
    weight: Float[np.ndarray, "traj"],
    *,
    n_states: int,
    seed: int,
) -> dict[int, Lifetime]:
    """Fit P(t) = P(0) exp(-(t - t0) / τ) for t > t0, P(0) before, to the population that is largest at first.

    Least squares over τ and the delay t0 ≥ 0; the population is the mean over trajectories whose state is
    known. The interval holds 95 % of the fits to trajectories drawn with replacement, each in one
    Gauss-Newton step from the best. Where trajectories were stopped, its lower end comes from a fit in which
    all of them left the state when they were stopped, its upper end from one in which all of them were in it
    from then on.

    There is no value where fewer than 10 trajectories or 10 % of the population have left the state, where τ
    is longer than five times the run, or where the population does not fall exponentially: the misfit is
    above 0.08, and above the 1.06 / sqrt(n) that an exponential law exceeds by chance in 5 % of all cases.

    Source of the last number: H. W. Lilliefors, J. Am. Stat. Assoc. 64, 387 (1969).

    Args:
        time_fs: [fs].
        state: State of each trajectory; -1 where it is not known.
        weight: Of the trajectories.
        n_states: Number of states.
        seed: Of the resampling.

    Returns:
        One entry, of the state with the largest population at the start; none where that is the lowest.
    """
    chosen = np.unique(np.linspace(0, len(time_fs) - 1, _FIT_POINTS).round().astype(int))
    time, member = time_fs[chosen] - time_fs[0], state[chosen]
    start = int(np.argmax([(weight * (member[0] == k)).sum() for k in range(n_states)]))
    if start == 0:
        return {}
    inside, counts = member == start, member >= 0
    population = _average(inside, counts, weight[None, :])[0]
    reason = _reason_against(population, inside, counts, time)
    if reason:
        return {start: Lifetime(None, None, None, None, reason)}
    fit = _fit(time, population)
    value, delay = float(np.exp(fit.x[0])), float(fit.x[1])
    misfit = float(np.abs(_decay(time, population[0], fit.x) - population).max())
    if misfit > max(_LARGE_MISFIT, _MISFIT_OF_CHANCE / np.sqrt(effective_number(weight))):
        reason = f"the population does not fall exponentially (misfit {misfit:.2f})"
    elif value > _LONGEST_IN_WINDOWS * time[-1]:
        reason = f"the fit gave more than {_LONGEST_IN_WINDOWS:.0f} times the {time[-1]:.0f} fs of the run"
    if reason:
        return {start: Lifetime(None, None, None, None, reason, misfit)}
    everyone = np.ones_like(counts)
    low = _interval(time, inside, everyone, weight, seed)[0]
    high = _interval(time, inside | ~counts, everyone, weight, seed)[1]
    longest = _LONGEST_IN_WINDOWS * float(time[-1])
    return {start: Lifetime(value, min(low, value), high if high <= longest else None, delay, "", misfit)}


def decay_curve(
    time_fs: Float[np.ndarray, "frame"], start: float, life: Lifetime
) -> Float[np.ndarray, "frame"]:
    """Return the fitted population of a state that had the population `start` at first."""
    return _decay(time_fs - time_fs[0], start, np.array([np.log(life.value), life.delay]))


def _reason_against(
    population: Float[np.ndarray, "frame"],
    inside: Bool[np.ndarray, "frame traj"],
    counts: Bool[np.ndarray, "frame traj"],
    time: Float[np.ndarray, "frame"],
) -> str:
    loss = 1 - population[-max(1, len(population) // 20) :].mean() / max(population.max(), 1e-12)
    was_inside = inside.any(axis=0)
    decayed = int((was_inside & counts[-1] & ~inside[-1]).sum())
    if decayed < _FEWEST_DECAYS or loss < _SMALLEST_LOSS:
        total = int(was_inside.sum())
        return f"{decayed} of {total} trajectories had left it after {time[-1]:.0f} fs, too few for a fit"
    return ""


def _interval(
    time: Float[np.ndarray, "frame"],
    inside: Bool[np.ndarray, "frame traj"],
    counts: Bool[np.ndarray, "frame traj"],
    weight: Float[np.ndarray, "traj"],
    seed: int,
) -> tuple[float, float]:
    """Return the limits that hold 95 % of the lifetimes of resampled trajectories [fs]."""
    population = _average(inside, counts, weight[None, :])[0]
    fit = _fit(time, population)
    n = len(weight)
    draws = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), _RESAMPLES)
    resampled = _average(inside, counts, draws * weight)
    # The population moves by what was drawn; a parameter held by its bound does not.
    free = fit.active_mask == 0
    if not free[0]:
        return float(np.exp(fit.x[0])), float(np.exp(fit.x[0]))
    moved = (resampled - population) @ np.linalg.pinv(fit.jac[:, free]).T
    low, high = np.quantile(np.exp(fit.x[0] + moved[:, 0]), [0.025, 0.975])
    return float(low), float(high)


def _average(
    inside: Bool[np.ndarray, "frame traj"],
    counts: Bool[np.ndarray, "frame traj"],
    weight: Float[np.ndarray, "draw traj"],
) -> Float[np.ndarray, "draw frame"]:
    return (weight @ inside.T) / np.maximum(weight @ counts.T, 1e-300)


def _fit(time: Float[np.ndarray, "frame"], population: Float[np.ndarray, "frame"]) -> OptimizeResult:
    window = time[-1]
    low, high = np.array([np.log(1e-3 * window), 0.0]), np.array([np.log(1e2 * window), 0.5 * window])
    scale = np.array([1.0, window])

    def from_delay(delay: float) -> OptimizeResult:
        return least_squares(
            lambda parameters: _decay(time, population[0], parameters) - population,
            np.array([np.log(window / 3), delay * window]),
            bounds=(low, high),
            x_scale=scale,
            ftol=1e-8,
            xtol=1e-8,
        )

    return min((from_delay(delay) for delay in (0.01, 0.2)), key=lambda fit: fit.cost)


def _decay(
    time: Float[np.ndarray, "frame"], start: float, parameters: Float[np.ndarray, "2"]
) -> Float[np.ndarray, "frame"]:
    return start * np.exp(-np.maximum(time - parameters[1], 0.0) / np.exp(parameters[0]))
