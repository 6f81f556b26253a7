"""First exits from a state: the survival of Kaplan and Meier with a confidence band."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from nadyn.analysis.fates import ended_as_asked
from nadyn.checks.errors import InputError
from nadyn.trajectory import Run
from nadyn.units import FEMTOSECOND_PER_AU

_RESAMPLES = 1000
# Of fewer events before, and fewer trajectories after, a time is left to the ends of the band.
_FEWEST = 6
_TINY = 1e-12


@dataclass(frozen=True)
class Exits:
    """The part of the trajectories that is still in a state, by the time since they came to it.

    Attributes:
        state: Of which state.
        time_fs: Of each exit, rising, from 0 [fs].
        survival: Right after it.
        low: Lower end of a band that holds the whole curve in 95 % of all cases.
        high: Its upper end.
        n: Trajectories that came to the state.
        n_left: Those that left it.
        median_fs: When half of them has left, and the times at which the ends of the band fall below one
            half; None where that is not seen [fs].
    """

    state: int
    time_fs: Float[np.ndarray, "exit"]
    survival: Float[np.ndarray, "exit"]
    low: Float[np.ndarray, "exit"]
    high: Float[np.ndarray, "exit"]
    n: int
    n_left: int
    median_fs: tuple[float | None, float | None, float | None]


def first_exits(run: Run, state: int) -> Exits:
    """Return how long trajectories stay in a state before they leave it for the first time.

    The clock begins when a trajectory first comes to the state, at the start or by a hop; later visits do not
    count. Hops know their steps, so times are as fine as steps. One that was stopped in the state, or the run
    itself, ends the view of it; one that ended there as asked, such as in pieces, stays there to the end.

    The band is one of equal precision on the scale ln(-ln S): what is drawn with replacement leaves it
    anywhere in 5 % of 1,000 draws.

    Source: E. L. Kaplan and P. Meier, J. Am. Stat. Assoc. 53, 457 (1958); V. N. Nair, Technometrics 26, 265
    (1984).

    Raises:
        InputError: The state does not exist, or no trajectory came to it, or none moves on a single state.
    """
    if run.moves_on != "active state" or not run.changes_states:
        raise InputError(
            f"`--exits` must come with a run whose trajectories hop, but {run.path.name!r} is none."
        )
    if not 0 <= state < run.n_states:
        raise InputError(f"`--exits` must name a state from 0 to {run.n_states - 1}, but names {state}.")
    duration, left, entered = _stays(run, state)
    if not entered.any():
        raise InputError(f"`--exits` must name a state that is populated, but no trajectory came to {state}.")
    duration, left, weight = duration[entered], left[entered], run.weight[entered]
    # At equal times those that leave go first: who is seen until then could have left, too.
    order = np.lexsort((~left, duration))
    duration, left, weight = duration[order], left[order], weight[order]
    n = len(weight)
    survival = _survival(weight[None], left)[0]
    seed = int(run.attributes["seed"])
    draws = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), _RESAMPLES)
    drawn = _survival(draws * weight, left)
    low, high = _band(survival, drawn, left)
    # The last of several at one time stands for all of them.
    kept = left & np.append((duration[1:] != duration[:-1]) | ~left[1:], True)
    curves = [np.concatenate([[1.0], one[kept]]) for one in (survival, low, high)]
    time = np.concatenate([[0.0], duration[kept]])
    # The lower end falls below one half first.
    median = tuple(_below_half(time, curves[k]) for k in (0, 1, 2))
    return Exits(state, time, *curves, n, int(left.sum()), median)


def _stays(
    run: Run, state: int
) -> tuple[Float[np.ndarray, "traj"], Bool[np.ndarray, "traj"], Bool[np.ndarray, "traj"]]:
    """Return for how long each trajectory was seen in a state at its first visit [fs], whether it left, and
    whether it came at all."""
    hops, n_steps = run.hops, int(run.step)
    counts = (hops["accepted"] == 1) & (hops["step"] <= run.last_step[hops["traj"]])
    end = np.where(ended_as_asked(run), n_steps, run.last_step)
    begin = np.where(np.asarray(run.active_state[0]) == state, 0, -1)
    leave = np.full(run.n_trajectories, -1)
    order = np.argsort(hops["step"], kind="stable")
    for row in order[counts[order]].tolist():
        traj, step = int(hops["traj"][row]), int(hops["step"][row])
        if begin[traj] < 0 and hops["to_state"][row] == state:
            begin[traj] = step
        elif begin[traj] >= 0 and leave[traj] < 0 and hops["from_state"][row] == state:
            leave[traj] = step
    left = leave >= 0
    steps = np.where(left, leave, end) - begin
    return steps * float(run.attributes["dt_au"]) * FEMTOSECOND_PER_AU, left, begin >= 0


def _survival(
    weight: Float[np.ndarray, "draw traj"], left: Bool[np.ndarray, "traj"]
) -> Float[np.ndarray, "draw traj"]:
    """Return S after each trajectory, which are in the order of their times."""
    at_risk = np.cumsum(weight[:, ::-1], axis=1)[:, ::-1]
    gone = np.where(left, weight / np.maximum(at_risk, _TINY), 0.0)
    return np.cumprod(1 - np.minimum(gone, 1.0), axis=1)


def _band(
    survival: Float[np.ndarray, "traj"], drawn: Float[np.ndarray, "draw traj"], left: Bool[np.ndarray, "traj"]
) -> tuple[Float[np.ndarray, "traj"], Float[np.ndarray, "traj"]]:
    n = len(survival)
    inside = left & (np.cumsum(left) >= _FEWEST) & (np.arange(n)[::-1] >= _FEWEST)
    if not inside.any():
        return np.zeros(n), np.ones(n)
    scaled, all_scaled = (_log_minus_log(one) for one in (survival[inside], drawn[:, inside]))
    # Half of what two thirds of the draws span: few draws without an early exit would blow up a variance.
    error = np.maximum(0.5 * np.diff(np.quantile(all_scaled, [0.1587, 0.8413], axis=0), axis=0)[0], _TINY)
    reach = np.quantile((np.abs(all_scaled - scaled) / error).max(axis=1), 0.95)
    low, high = np.zeros(n), np.ones(n)
    low[inside], high[inside] = (np.exp(-np.exp(scaled + sign * reach * error)) for sign in (1.0, -1.0))
    # Survival only falls: each end holds before, or after, too.
    return np.maximum.accumulate(low[::-1])[::-1], np.minimum.accumulate(high)


def _log_minus_log(survival: np.ndarray) -> np.ndarray:
    return np.log(-np.log(np.clip(survival, _TINY, 1 - 1e-6)))


def _below_half(time: np.ndarray, curve: np.ndarray) -> float | None:
    below = np.nonzero(curve <= 0.5)[0]
    return float(time[below[0]]) if len(below) else None
