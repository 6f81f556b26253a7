"""Lifetimes of excited states: a chain of delayed exponential decays, errors by resampling trajectories."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import OptimizeResult, least_squares

_RESAMPLES = 1000
_FIT_POINTS = 100
_FEWEST_DECAYS = 10
_SMALLEST_LOSS = 0.1
_LONGEST_IN_WINDOWS = 5.0


@dataclass(frozen=True)
class Lifetime:
    """Lifetime of one state, or the reason why there is none.

    Attributes:
        value: [fs].
        low: Lower end of the 95 % interval [fs].
        high: Upper end of the 95 % interval [fs].
        delay: Time before the decay begins, common to all states [fs].
        reason: Why there is no value; empty if there is one.
        misfit: Largest difference between the population of the state and the fit: large where the decay is
            not exponential.
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
    """Fit the populations by a chain k → k-1 → … → 0 that starts after a delay t0.

    dP/dt = K P for t > t0, K_kk = -1/τ_k, K_(k-1)k = 1/τ_k, least squares over all excited
    populations at once; the populations at the start are those of the trajectories. The interval holds
    95 % of the fits to trajectories drawn with replacement, each fit in one Gauss-Newton step from the best.

    Args:
        time_fs: [fs].
        state: State of each trajectory; -1 where it is not known.
        weight: Of the trajectories.
        n_states: Number of states.
        seed: Of the resampling.

    Returns:
        One entry for each excited state that is populated; none for the ground state.
    """
    chosen = np.unique(np.linspace(0, len(time_fs) - 1, _FIT_POINTS).round().astype(int))
    time, member = time_fs[chosen] - time_fs[0], state[chosen]
    one_hot = (member[..., None] == np.arange(n_states)).astype(float)
    measured = _average(one_hot, weight[None, :])[0]
    populated = np.nonzero((measured > 0.05).any(axis=0))[0]
    top = int(populated.max(initial=0))
    reasons = {k: _reason_against(k, measured, member, time) for k in range(1, top + 1)}
    decaying = [k for k, reason in reasons.items() if not reason]
    result = {k: Lifetime(None, None, None, None, reason) for k, reason in reasons.items() if reason}
    if not decaying:
        return result
    window = float(time[-1])
    start = np.log(np.full(len(decaying), window / 3))
    fits = [_fit(time, measured, decaying, np.append(start, delay * window)) for delay in (0.01, 0.2)]
    fit = min(fits, key=lambda one: one.cost)
    best = fit.x
    draws = np.random.default_rng(seed).multinomial(
        len(weight), np.full(len(weight), 1 / len(weight)), _RESAMPLES
    )
    resampled = _average(one_hot, draws * weight)
    # The populations move by what was drawn; a parameter held by its bound does not.
    free = fit.active_mask == 0
    moved = (resampled - measured)[:, :, 1:].reshape(_RESAMPLES, -1) @ np.linalg.pinv(fit.jac[:, free]).T
    drawn = np.tile(best, (_RESAMPLES, 1))
    drawn[:, free] += moved
    low, high = np.quantile(np.exp(drawn[:, :-1]), [0.025, 0.975], axis=0)
    misfit = np.abs(_chain(time, measured[0], decaying, best) - measured).max(axis=0)
    for index, k in enumerate(decaying):
        value = float(np.exp(best[index]))
        if value > _LONGEST_IN_WINDOWS * window:
            reason = f"the fit gave more than {_LONGEST_IN_WINDOWS:.0f} times the {window:.0f} fs of the run"
            result[k] = Lifetime(None, None, None, None, reason)
        else:
            result[k] = Lifetime(
                value, float(low[index]), float(high[index]), float(best[-1]), "", float(misfit[k])
            )
    return dict(sorted(result.items()))


def decay_curve(
    time_fs: Float[np.ndarray, "frame"],
    start: Float[np.ndarray, "state"],
    fitted: dict[int, Lifetime],
) -> Float[np.ndarray, "frame state"]:
    """Return the populations of the fitted chain; a state without a lifetime keeps what it gets."""
    values = {k: life.value for k, life in fitted.items() if life.value is not None}
    delay = next((life.delay for life in fitted.values() if life.delay is not None), 0.0)
    logarithms = np.log(np.array(list(values.values()), dtype=float))
    return _chain(time_fs - time_fs[0], start, list(values), np.append(logarithms, delay))


def _reason_against(
    k: int,
    measured: Float[np.ndarray, "frame state"],
    member: Int[np.ndarray, "frame traj"],
    time: np.ndarray,
) -> str:
    above = measured[:, k:].sum(axis=1)
    loss = 1 - above[-max(1, len(above) // 20) :].mean() / max(above.max(), 1e-12)
    was_above = (member >= k).any(axis=0)
    decayed = int((was_above & (member[-1] >= 0) & (member[-1] < k)).sum())
    if decayed < _FEWEST_DECAYS or loss < _SMALLEST_LOSS:
        total = int(was_above.sum())
        return f"{decayed} of {total} trajectories had left it after {time[-1]:.0f} fs, too few for a fit"
    return ""


def _average(
    one_hot: Float[np.ndarray, "frame traj state"], weight: Float[np.ndarray, "draw traj"]
) -> Float[np.ndarray, "draw frame state"]:
    frames, traj, states = one_hot.shape
    flat = one_hot.transpose(1, 0, 2).reshape(traj, frames * states)
    counts = (weight @ flat).reshape(-1, frames, states)
    return counts / np.maximum(counts.sum(axis=-1, keepdims=True), 1e-300)


def _fit(
    time: np.ndarray, measured: Float[np.ndarray, "frame state"], decaying: list[int], guess: np.ndarray
) -> OptimizeResult:
    window = time[-1]
    low = np.append(np.full(len(decaying), np.log(1e-3 * window)), 0.0)
    high = np.append(np.full(len(decaying), np.log(1e2 * window)), 0.5 * window)

    def residual(parameters: np.ndarray) -> np.ndarray:
        return (_chain(time, measured[0], decaying, parameters) - measured)[:, 1:].ravel()

    scale = np.append(np.ones(len(decaying)), window)
    inside = np.clip(guess, low + 1e-9 * scale, high - 1e-9 * scale)
    return least_squares(residual, inside, bounds=(low, high), x_scale=scale, ftol=1e-8, xtol=1e-8)


def _chain(
    time: np.ndarray, start: Float[np.ndarray, "state"], decaying: list[int], parameters: np.ndarray
) -> Float[np.ndarray, "frame state"]:
    rates = np.zeros(len(start))
    # Equal rates would make the matrix defective; this moves them apart by far less than any error bar.
    rates[decaying] = np.exp(-parameters[:-1]) * (1 + 1e-6 * np.arange(len(decaying)))
    matrix = np.diag(-rates) + np.diag(rates[1:], k=1)
    values, vectors = np.linalg.eig(matrix)
    # States that do not decay share the eigenvalue 0; their block is diagonal unless something feeds them.
    weights = np.linalg.lstsq(vectors, start, rcond=None)[0]
    elapsed = np.maximum(time - parameters[-1], 0.0)
    return np.real((vectors[None] * np.exp(values[None, None, :] * elapsed[:, None, None])) @ weights)
