"""Lifetime of the state in which trajectories start: a delayed exponential, its error by resampling."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import OptimizeResult, least_squares

from nadyn.analysis.at_risk import Known, occupation, with_ends
from nadyn.analysis.fates import MOST_UNKNOWN, effective_number

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
        low: Lower end of the 95 % interval, had every trajectory that was stopped in the state left it [fs].
        high: Upper end of the 95 % interval, had each of them stayed in it; None if that is more than five
            times the length of the run [fs].
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
    end_fs: Float[np.ndarray, "traj"] | None = None,
    end_state: Int[np.ndarray, "traj"] | None = None,
) -> dict[int, Lifetime]:
    """Fit P(t) = P(0) exp(-(t - t0) / τ) for t > t0, P(0) before, to the population that is largest at first.

    Least squares over τ and the delay t0 ≥ 0 to the population by Aalen and Johansen: from frame to frame the
    fractions that leave the state and come back are those of the trajectories that are known at both. Where
    none was stopped it is the fraction on the state, where none comes back it is Kaplan and Meier's estimate.
    So a trajectory that is stopped after its decay has decayed all the same, and one that is stopped between
    two frames could decay until then: the chance x to leave from frame to frame solves
    N x = D + sum (1 - (1 - x)^(1 - f)), with N trajectories in the state at the first frame, of which D left
    it, and a sum over those that were stopped in it after a part f of the time between the frames.

    The interval holds 95 % of the fits to trajectories drawn with replacement, each in one Gauss-Newton step
    from the best. Where trajectories were stopped in the state, its lower end comes from a fit in which all
    of them left it when they were stopped, its upper end from one in which they stayed to the end.

    There is no value where fewer than 10 trajectories or 10 % of the population have left the state, where
    more than half of those that began in it were stopped there, where τ is longer than five times the run, or
    where the population does not fall exponentially: the misfit is above 0.08, and above the 1.06 / sqrt(n)
    that an exponential law exceeds by chance in 5 % of all cases.

    Source: O. O. Aalen and S. Johansen, Scand. J. Stat. 5, 141 (1978); E. L. Kaplan and P. Meier, J. Am.
    Stat. Assoc. 53, 457 (1958); of the sum over those stopped B. Efron, Proc. Fifth Berkeley Symp. 4, 831
    (1967); of the last number H. W. Lilliefors, J. Am. Stat. Assoc. 64, 387 (1969).

    Args:
        time_fs: [fs].
        state: State of each trajectory; -1 where it is not known, from then on to the end.
        weight: Of the trajectories.
        n_states: Number of states.
        seed: Of the resampling.
        end_fs: Until when the state is known of a trajectory that was stopped; at its last known frame
            without it [fs].
        end_state: State at that time.

    Returns:
        One entry, of the state with the largest population at the start; none where that is the lowest.
    """
    found = fitted_lifetime(
        time_fs, state, weight, n_states=n_states, seed=seed, end_fs=end_fs, end_state=end_state
    )
    return {} if found is None else {found.state: found.life}


@dataclass(frozen=True)
class Fitted:
    """A lifetime with the fits that its interval comes from.

    Attributes:
        state: Of which state.
        life: The lifetime, or why there is none.
        logarithms: Logarithms of the lifetimes [fs] of resampled trajectories, for three views of those that
            were stopped in the state: as they are known, all left it then, all stayed; empty without a value.
        best: Those of the trajectories as they are.
    """

    state: int
    life: Lifetime
    logarithms: Float[np.ndarray, "view draw"]
    best: Float[np.ndarray, "view"]


def fitted_lifetime(
    time_fs: Float[np.ndarray, "frame"],
    state: Int[np.ndarray, "frame traj"],
    weight: Float[np.ndarray, "traj"],
    *,
    n_states: int,
    seed: int,
    end_fs: Float[np.ndarray, "traj"] | None = None,
    end_state: Int[np.ndarray, "traj"] | None = None,
) -> Fitted | None:
    """Return the lifetime of `lifetimes`, with its fits; None where trajectories start in the lowest state.

    Equal seeds and numbers of trajectories draw the same trajectories.
    """
    chosen = np.unique(np.linspace(0, len(time_fs) - 1, _FIT_POINTS).round().astype(int))
    if end_fs is None or end_state is None:
        last = (state >= 0).sum(axis=0) - 1
        end_fs, end_state = time_fs[last], state[last, np.arange(state.shape[1])]
    time = time_fs[chosen] - time_fs[0]
    member, part = with_ends(time, state[chosen], end_fs - time_fs[0], end_state)
    start = int(np.argmax([(weight * (member[0] == k)).sum() for k in range(n_states)]))
    if start == 0:
        return None
    known = Known(member == start, member >= 0, part)
    population = occupation(known, weight[None, :])[0]

    def without(reason: str, misfit: float | None = None) -> Fitted:
        return Fitted(start, Lifetime(None, None, None, None, reason, misfit), np.zeros((3, 0)), np.zeros(3))

    reason = _reason_against(population, known, weight, time)
    if reason:
        return without(reason)
    fit = _fit(time, population)
    value, delay = float(np.exp(fit.x[0])), float(fit.x[1])
    misfit = float(np.abs(_decay(time, population[0], fit.x) - population).max())
    if misfit > max(_LARGE_MISFIT, _MISFIT_OF_CHANCE / np.sqrt(effective_number(weight))):
        reason = f"the population does not fall exponentially (misfit {misfit:.2f})"
    elif value > _LONGEST_IN_WINDOWS * time[-1]:
        reason = f"the fit gave more than {_LONGEST_IN_WINDOWS:.0f} times the {time[-1]:.0f} fs of the run"
    if reason:
        return without(reason, misfit)
    # Those stopped in the state: all of them left it then, and nobody came back; or they stayed to the end.
    lost, whole = known.stopped_inside, np.ones_like(part)
    left = known.inside & ~(lost & known.is_last)
    stays = known.inside | (lost & ~known.counts)
    views = (
        known,
        Known(left, np.ones_like(known.counts), whole),
        Known(stays, known.counts | lost, np.where(lost, whole, part)),
    )
    drawn = [_resampled(time, view, weight, seed) for view in views]
    low, high = np.exp(np.quantile(drawn[1][1], 0.025)), np.exp(np.quantile(drawn[2][1], 0.975))
    longest = longest_lifetime(time_fs)
    life = Lifetime(
        value, min(float(low), value), float(high) if high <= longest else None, delay, "", misfit
    )
    return Fitted(start, life, np.stack([one[1] for one in drawn]), np.array([one[0] for one in drawn]))


def longest_lifetime(time_fs: Float[np.ndarray, "frame"]) -> float:
    """Return the longest lifetime that a run tells anything of [fs]."""
    return _LONGEST_IN_WINDOWS * float(time_fs[-1] - time_fs[0])


def decay_curve(
    time_fs: Float[np.ndarray, "frame"], start: float, life: Lifetime
) -> Float[np.ndarray, "frame"]:
    """Return the fitted population of a state that had the population `start` at first."""
    return _decay(time_fs - time_fs[0], start, np.array([np.log(life.value), life.delay]))


def _reason_against(
    population: Float[np.ndarray, "frame"],
    known: Known,
    weight: Float[np.ndarray, "traj"],
    time: Float[np.ndarray, "frame"],
) -> str:
    was_inside = known.inside.any(axis=0)
    total = int(was_inside.sum())
    stopped = known.stopped_inside
    if weight[stopped].sum() > MOST_UNKNOWN * weight[was_inside].sum():
        return f"{int(stopped.sum())} of {total} trajectories were stopped on it, too many for a fit"
    loss = 1 - population[-max(1, len(population) // 20) :].mean() / max(population.max(), 1e-12)
    decayed = int((was_inside & ~known.last_inside).sum())
    if decayed < _FEWEST_DECAYS or loss < _SMALLEST_LOSS:
        return f"{decayed} of {total} trajectories had left it after {time[-1]:.0f} fs, too few for a fit"
    return ""


def _resampled(
    time: Float[np.ndarray, "frame"], known: Known, weight: Float[np.ndarray, "traj"], seed: int
) -> tuple[float, Float[np.ndarray, "draw"]]:
    """Return the logarithm of the lifetime [fs], and those of resampled trajectories."""
    population = occupation(known, weight[None, :])[0]
    fit = _fit(time, population)
    n = len(weight)
    draws = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), _RESAMPLES)
    resampled = occupation(known, draws * weight)
    # The population moves by what was drawn; a parameter held by its bound does not.
    free = fit.active_mask == 0
    if not free[0]:
        return float(fit.x[0]), np.full(_RESAMPLES, fit.x[0])
    moved = (resampled - population) @ np.linalg.pinv(fit.jac[:, free]).T
    return float(fit.x[0]), fit.x[0] + moved[:, 0]


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
