"""Populations, yields and the lifetime over the members of a committee, from their runs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from nadyn.analysis.fates import has_last_geometry, known
from nadyn.analysis.geometry import Quantity, choose_quantities, isomerised
from nadyn.analysis.kinetics import Fitted, fitted_lifetime, longest_lifetime
from nadyn.analysis.member_fractions import Fractions, Share, fractions
from nadyn.analysis.members import Members
from nadyn.analysis.occupations import occupations
from nadyn.analysis.products import Outcome, outcomes
from nadyn.analysis.summary import states_that_decay
from nadyn.analysis.two_errors import QUANTILE, TwoErrors, two_errors
from nadyn.trajectory import Run


@dataclass(frozen=True)
class MemberYield:
    """A product, or a change of shape, over the members.

    Attributes:
        fragments: As in `Product`; `isomerised` for a dihedral that went from cis to trans or back.
        state: As in `Product`.
        n: Number of trajectories, of all members.
        found: One frame and one kind.
    """

    fragments: str
    state: int | None
    n: int
    found: Fractions


@dataclass(frozen=True)
class MemberLifetime:
    """The lifetime over the members, or why there is none [fs].

    Attributes:
        state: Of which state.
        members: Of each member; None where it has none.
        value: The geometric mean over the members.
        low: Lower end of the 95 % interval with everything in it.
        high: Upper end; None if that is more than five times the length of the run.
        sampling_low: Lower end from chance alone.
        sampling_high: Upper end.
        reason: Why there is no value; empty if there is one.
    """

    state: int
    members: tuple[float | None, ...]
    value: float | None
    low: float | None
    high: float | None
    sampling_low: float | None
    sampling_high: float | None
    reason: str


def member_populations(members: Members) -> Fractions:
    """Return the populations over the members, at the frames that all runs have."""
    estimates = members.runs[0].populations_adiabatic is not None
    shares = [_population_share(run, members.n_frames) for run in members.runs]
    return fractions(shares, members.pairs, bounded=not estimates)


def member_yields(members: Members, *, by_state: bool) -> list[MemberYield]:
    """Return the products over the members, the most frequent first; see `products` and `yields`."""
    if not members.equally_far or not any(outcomes(run, by_state=by_state) for run in members.runs):
        return []
    ends = [outcomes(run, by_state=by_state, also_whole=True) for run in members.runs]
    found = []
    for key in sorted({key for one in ends for key in one}, key=str):
        # Where a member has none like it, its trajectories of unknown fate may have become it.
        own = [one.get(key) or _never(run) for one, run in zip(ends, members.runs, strict=True)]
        found.append(MemberYield(*key, sum(int(one.chosen.sum()) for one in own), _shares(members, own)))
    return sorted(found, key=lambda one: -float(one.found.fate_low[0, 0]))


def member_isomers(members: Members) -> tuple[Quantity, MemberYield] | None:
    """Return how often a dihedral changed between cis and trans over the members; None without one."""
    for quantity in choose_quantities(members.runs[0]) if members.equally_far else ():
        own = [isomerised(run, quantity) for run in members.runs]
        if all(one is not None for one in own):
            ends = [Outcome(crossed, crossed, crossed | ~done) for done, _, crossed in own]
            knows = [done for done, _, _ in own]
            n = sum(int(one.chosen.sum()) for one in ends)
            return quantity, MemberYield("isomerised", None, n, _shares(members, ends, knows))
    return None


def member_lifetime(members: Members) -> MemberLifetime | None:
    """Return the lifetime over the members of the state in which the runs start; None where none is defined.

    Logarithms are averaged. Of pairs the same trajectories are resampled.
    """
    seed = int(members.runs[0].attributes["seed"])
    fits: list[Fitted] = []
    for run in members.runs:
        decay = states_that_decay(run)
        if decay is None or not members.equally_far:
            return None
        state, end_fs, end_state = decay
        fit = fitted_lifetime(
            run.time_fs,
            state,
            run.weight,
            n_states=run.n_states,
            seed=seed,
            end_fs=end_fs,
            end_state=end_state,
        )
        if fit is None or (fits and fit.state != fits[0].state):
            return None
        fits.append(fit)
    values = tuple(fit.life.value for fit in fits)
    if None in values:
        missing = values.index(None)
        reason = f"member {members.numbers[missing]}: {fits[missing].life.reason}"
        return MemberLifetime(fits[0].state, values, None, None, None, None, None, reason)
    views = [_of_view(members, fits, view) for view in range(3)]
    model = max(float(view.model[0]) for view in views)
    chance = QUANTILE * np.array([float(view.sampling[0]) for view in views])
    longest = longest_lifetime(members.runs[0].time_fs[: members.n_frames])
    low = np.exp(float(views[1].mean[0]) - np.hypot(chance[1], model))
    high = np.exp(float(views[2].mean[0]) + np.hypot(chance[2], model))
    middle = float(views[0].mean[0])
    return MemberLifetime(
        fits[0].state,
        values,
        float(np.exp(middle)),
        float(min(low, np.exp(middle))),
        float(high) if high <= longest else None,
        float(np.exp(middle - chance[0])),
        float(np.exp(middle + chance[0])),
        "",
    )


def _population_share(run: Run, n_frames: int) -> Share:
    is_known = known(run)[:n_frames]
    value = occupations(run)[:n_frames]
    has_value = np.isfinite(value).all(axis=-1)
    weight = np.where(is_known & has_value, run.weight[None, :], 0.0)
    # One that is known but in no window of its method has no vote, now or had it gone on.
    of_all = np.where(is_known & ~has_value, 0.0, run.weight[None, :])
    counts = weight[..., None] > 0
    lowest, highest = 0.0, 1.0
    if run.populations_adiabatic is not None:
        seen = np.where(counts, value, np.nan)
        lowest = np.fmin(np.nanmin(seen, axis=(0, 1), initial=np.inf), 0.0)
        highest = np.fmax(np.nanmax(seen, axis=(0, 1), initial=-np.inf), 1.0)
    least, most = np.where(counts, value, lowest), np.where(counts, value, highest)
    return Share(value, weight, least, most, of_all)


def _never(run: Run) -> Outcome:
    nothing = np.zeros(run.n_trajectories, bool)
    # Running ones too: their end is not there yet.
    return Outcome(nothing, nothing, ~has_last_geometry(run))


def _shares(
    members: Members, ends: Sequence[Outcome], knows: Sequence[Bool[np.ndarray, "traj"]] | None = None
) -> Fractions:
    """Return the fractions of ends, of all trajectories or of those that are known."""
    shares = []
    for number, (one, run) in enumerate(zip(ends, members.runs, strict=True)):
        weight = run.weight if knows is None else np.where(knows[number], run.weight, 0.0)
        chosen, certain, possible = (
            which.astype(float)[None, :, None] for which in (one.chosen, one.certain, one.possible)
        )
        shares.append(Share(chosen, weight[None, :], certain, possible, run.weight[None, :]))
    return fractions(shares, members.pairs)


def _of_view(members: Members, fits: Sequence[Fitted], view: int) -> TwoErrors:
    drawn = [fit.logarithms[view] for fit in fits]
    covariance: Float[np.ndarray, "member member"] = np.cov(np.stack(drawn))
    n = np.array([run.n_trajectories for run in members.runs])
    # Draws are of the same trajectories where there are as many.
    drawn_together = (members.pairs & (n[:, None] == n[None, :])) | np.eye(len(n), dtype=bool)
    values = np.array([[fit.best[view]] for fit in fits])
    return two_errors(values, np.where(drawn_together, covariance, 0.0)[..., None])
