"""Kinetic schemes fitted to populations: rates with intervals, and whether the scheme fits at all."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float
from scipy.linalg import expm
from scipy.optimize import least_squares

from nadyn.analysis.fates import effective_number
from nadyn.analysis.schemes import Scheme, rate_matrix, scheme_populations
from nadyn.analysis.species import Moves, fractions, transition_rates

_RESAMPLES = 1000
_QUANTILE = 1.959964
# A misfit that chance makes more rarely than this refuses a scheme, unless nobody would see it in a figure.
_RAREST = 0.05
_INVISIBLE = 0.01
# ln k with a larger standard error: the interval would span a factor of seven and more.
_UNDETERMINED = 0.5
_TOGETHER = 0.95
_SINGULAR = 1e-6
_SLOWEST, _FASTEST = 1e-4, 20.0


@dataclass(frozen=True)
class Step:
    """The time constant 1/k of one step.

    Attributes:
        name: Such as `2→1`.
        value: [fs].
        low: Lower end of the 95 % interval [fs].
        high: Upper end; None where the step may not take place at all.
        is_determined: Whether the populations tell it, better than within a factor of seven.
    """

    name: str
    value: float
    low: float
    high: float | None
    is_determined: bool


@dataclass(frozen=True)
class SchemeFit:
    """A scheme with its time constants, or why it is refused.

    Attributes:
        scheme: The steps.
        steps: Their time constants, also of a scheme that is refused: they are those of the best fit.
        delay_fs: Before the first step begins [fs]; 0 where the populations ask for none.
        misfit: Largest difference between populations and fit.
        misfit_at: When [fs], and of which species.
        chance: How often chance alone makes a misfit as large, over all times and species.
        reason: Why the scheme is refused; empty where it is not.
        notes: What the populations do not tell, in sentences.
        time_fs: Of the populations.
        populations: What was fitted.
        curves: The fit.
    """

    scheme: Scheme
    steps: tuple[Step, ...]
    delay_fs: float
    misfit: float
    misfit_at: tuple[float, str]
    chance: float
    reason: str
    notes: tuple[str, ...]
    time_fs: Float[np.ndarray, "frame"]
    populations: Float[np.ndarray, "frame species"]
    curves: Float[np.ndarray, "frame species"]


@dataclass(frozen=True)
class Resampled:
    """Populations, and those of trajectories drawn with replacement.

    Attributes:
        moves: Which trajectory is what when.
        weight: Of the trajectories.
        populations: Of all of them.
        drawn: Of each draw.
    """

    moves: Moves
    weight: Float[np.ndarray, "traj"]
    populations: Float[np.ndarray, "frame species"]
    drawn: Float[np.ndarray, "draw frame species"]


def resampled(moves: Moves, weight: Float[np.ndarray, "traj"], *, seed: int) -> Resampled:
    """Return populations with 1,000 bootstrap draws over trajectories."""
    n = len(weight)
    draws = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), _RESAMPLES)
    return Resampled(moves, weight, fractions(moves, weight[None])[0], fractions(moves, draws * weight))


def fit_scheme(scheme: Scheme, data: Resampled) -> SchemeFit:
    """Fit the time constants of a scheme to populations by least squares.

    P(t) = exp(K (t - t0)) P(0), P(0) as it is. First with t0 = 0; a delay t0 is fitted only where the scheme
    would be refused without. Intervals come from the bootstrap over trajectories, each draw in one
    Gauss-Newton step of ln k from the best fit: exp(ln k ± 1.96 s). Where s is above 0.5 the populations do
    not determine the step: its interval is that of k itself, and k may be zero.

    A scheme is refused where the sum of squares of what is left over is larger than in 95 % of the draws,
    each of them about its own fit, and the largest misfit is above 0.01. So a scheme that is right is
    refused in one of twenty runs.

    Args:
        scheme: The steps.
        data: Populations of its species.
    """
    plain = _fit(scheme, data, with_delay=False)
    return plain if not plain.reason else _fit(scheme, data, with_delay=True)


def _fit(scheme: Scheme, data: Resampled, *, with_delay: bool) -> SchemeFit:
    time, populations = data.moves.time_fs, data.populations
    window, between, n_steps = float(time[-1]), float(time[1] - time[0]), len(scheme.arrows)
    low = np.append(np.full(n_steps, np.log(_SLOWEST / window)), 0.0)
    high = np.append(np.full(n_steps, np.log(_FASTEST / between)), 0.5 * window)
    used = slice(None) if with_delay else slice(n_steps)
    scale = np.append(np.ones(n_steps), 0.1 * window)[used]

    @lru_cache(maxsize=1)
    def model_at(parameters: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
        delay = float(parameters[n_steps]) if with_delay else 0.0
        return scheme_populations(scheme, np.exp(parameters[:n_steps]), time, populations[0], delay)

    def model(parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        # Values and slopes are asked for one after the other.
        return model_at(tuple(parameters.tolist()))

    def from_start(start: np.ndarray) -> tuple[float, np.ndarray]:
        begin = np.append(np.log(np.maximum(start, _TINY)), 0.02 * window)
        found = least_squares(
            lambda x: (model(x)[0] - populations).ravel(),
            np.clip(begin, low + 1e-9, high - 1e-9)[used],
            jac=lambda x: model(x)[1][used].reshape(len(x), -1).T,
            bounds=(low[used], high[used]),
            x_scale=scale,
            ftol=1e-8,
            xtol=1e-8,
        )
        return float(found.cost), found.x

    seen = transition_rates(data.moves, data.weight)
    starts = [np.array([max(seen[end, start], 0.1 / window) for start, end in scheme.arrows])]
    # What would be refused is begun anew from elsewhere, too.
    starts += [np.full(n_steps, 3.0 / window)] if with_delay else []
    _, best = min((from_start(start) for start in starts), key=lambda one: one[0])
    curves, slopes = model(best)
    left = populations - curves
    jacobian = slopes[used].reshape(len(best), -1).T
    draws = data.drawn - populations
    draws = draws - _of_start(scheme, np.exp(best[:n_steps]), time, draws[:, 0], best[n_steps:])
    flat = draws.reshape(len(draws), -1)
    # A delay at its bound does not move with what is drawn.
    free = np.ones(len(best), bool)
    free[n_steps:] = best[n_steps:] > 1e-6 * window
    solve = np.linalg.pinv(jacobian[:, free], rcond=0.1 * _SINGULAR)
    moved = np.zeros((len(draws), len(best)))
    moved[:, free] = flat @ solve.T
    about = flat - moved @ jacobian.T
    squares = float((left**2).sum())
    chance = float(((about**2).sum(axis=1) >= squares).mean())
    where = np.unravel_index(int(np.abs(left).argmax()), left.shape)
    misfit = float(np.abs(left).max())
    misfit_at = (float(time[where[0]]), scheme.species[where[1]])
    refused = chance < _RAREST and misfit > _INVISIBLE
    steps, notes = _steps(scheme, best[:n_steps], moved[:, :n_steps], jacobian[:, :n_steps], data)
    return SchemeFit(
        scheme,
        steps,
        float(best[n_steps]) if with_delay else 0.0,
        misfit,
        misfit_at,
        chance,
        _refusal(misfit, misfit_at, chance) if refused else "",
        notes,
        time,
        populations,
        curves,
    )


def _refusal(misfit: float, at: tuple[float, str], chance: float) -> str:
    often = f"in {100 * chance:.1f} % of all cases" if chance else "in none of 1,000 draws"
    return (
        f"it does not fit: it misses the population of {at[1]} by {misfit:.3f} at {at[0]:.4g} fs, and chance "
        f"alone makes a misfit like that of all populations {often}"
    )


def _of_start(
    scheme: Scheme, rates: np.ndarray, time: np.ndarray, moved: np.ndarray, delay: np.ndarray
) -> Float[np.ndarray, "draw frame species"] | float:
    """Return what other populations at the start make of later ones."""
    if not np.abs(moved).max():
        return 0.0
    matrix = rate_matrix(scheme, rates)
    late = np.maximum(time - (float(delay[0]) if len(delay) else 0.0), 0.0)
    return np.einsum("fij,dj->dfi", expm(matrix * late[:, None, None]), moved)


def _steps(
    scheme: Scheme, best: np.ndarray, moved: np.ndarray, jacobian: np.ndarray, data: Resampled
) -> tuple[tuple[Step, ...], tuple[str, ...]]:
    n = effective_number(data.weight)
    spread = moved.std(axis=0) * np.sqrt(n / max(n - 1, 1))
    _, values, directions = np.linalg.svd(jacobian, full_matrices=False)
    lost = np.zeros(len(best), bool)
    for value, direction in zip(values, directions, strict=True):
        if value <= _SINGULAR * max(values[0], _TINY):
            lost |= np.abs(direction) > 0.1
    steps, notes = [], []
    for number, (logarithm, error) in enumerate(zip(best, spread, strict=True)):
        name, tau = scheme.step(number), float(np.exp(-logarithm))
        if lost[number]:
            steps.append(Step(name, tau, 0.0, None, False))
            continue
        sure = error <= _UNDETERMINED
        low = tau * np.exp(-_QUANTILE * error) if sure else tau / (1 + _QUANTILE * error)
        high = tau * np.exp(_QUANTILE * error) if sure else None
        steps.append(Step(name, tau, float(low), None if high is None else float(high), bool(sure)))
        if not sure:
            notes.append(f"{name} is not determined: it takes {low:.3g} fs or longer, or does not happen.")
    if lost.any():
        names = " and ".join(scheme.step(k) for k in np.nonzero(lost)[0].tolist())
        notes.append(f"{names} cannot be told from these populations, however many trajectories there are.")
    known = [k for k in range(len(best)) if not lost[k] and spread[k] > 0]
    alike = np.atleast_2d(np.corrcoef(moved[:, known].T)) if known else np.zeros((0, 0))
    for a, b in np.argwhere(np.triu(np.abs(alike), k=1) > _TOGETHER).tolist():
        notes.append(
            f"{scheme.step(known[a])} and {scheme.step(known[b])} are known together better than each alone "
            f"(correlation {alike[a, b]:.2f})."
        )
    return tuple(steps), tuple(notes)


_TINY = 1e-300
