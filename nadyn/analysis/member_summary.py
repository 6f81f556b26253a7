"""All numbers of the runs of a committee in one dictionary: the JSON of `nadyn analyse` on several runs."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from nadyn.analysis.fates import OUTSIDE_METHOD, ended_as_asked, endings, stopped
from nadyn.analysis.member_fractions import Fractions
from nadyn.analysis.member_numbers import (
    MemberYield,
    member_isomers,
    member_lifetime,
    member_populations,
    member_yields,
)
from nadyn.analysis.members import Members, open_members
from nadyn.analysis.more import more
from nadyn.analysis.summary import plain

# Of a run file, what is each run's own.
_OF_ONE_RUN = ("member", "output", "seed")


def analyse_members(paths: Sequence[str | Path], *, believe: float = 1.0) -> dict[str, object]:
    """Return populations, yields and the lifetime over the members of a committee, with two errors each.

    The value is the mean over the members. `low` and `high` are the ends of the 95 % interval with everything
    in it: the finite number of trajectories, the spread between members, and every fate that stopped
    trajectories could have had. `sampling_low` and `sampling_high` are those of the first alone, `model` is
    half of the interval of the second alone. See the documentation, `methods/two_errors.md`.

    Always there: `members` [{run, member, n_trajectories, n_finished, n_stopped {reason: n}, populations}],
    `pairing` (what the runs share), `run` (the run file), `time_fs`, `populations` (time, state) with
    `_low`, `_high`, `_sampling_low`, `_sampling_high`, `_fate_low`, `_fate_high` (means, had all stopped
    trajectories been out of the state, or in it), `_model`, `_spread` (standard deviation between members
    without what chance explains), `population_estimator`, `n_trajectories`, `n_finished`, `endings`,
    `n_running`, `n_stopped`, `n_outside_method`, `lifetimes_fs` {state: {value, low, high, sampling_low,
    sampling_high, members, reason}}, and `more` (which of the errors more trajectories and more labels would
    make smaller, and by how much, in numbers and in one `sentence`; None where too many were stopped). Where
    defined: `products` and `yields` [{fragments, state, n, fraction, low, high, sampling_low, sampling_high,
    model, members}], `isomerisation`.

    Args:
        paths: Trajectory files of different members of one committee.
        believe: How far the committee is believed, see `nadyn.trajectory.judged`.

    Raises:
        InputError: As `open_members`.
    """
    return summarise_members(open_members(paths, believe=believe))


def summarise_members(members: Members) -> dict[str, object]:
    """Return the dictionary of `analyse_members` for runs that are open."""
    runs = members.runs
    reasons = _sums([stopped(run) for run in runs])
    n, n_finished = (
        sum(run.n_trajectories for run in runs),
        sum(int(ended_as_asked(run).sum()) for run in runs),
    )
    result: dict[str, object] = {
        "pairing": members.pairing,
        "run": {key: value for key, value in runs[0].config.items() if key not in _OF_ONE_RUN},
        **population_numbers(members),
        "n_trajectories": n,
        "n_finished": n_finished,
        "endings": _sums([endings(run) for run in runs]),
        "n_running": n - n_finished - sum(reasons.values()),
        "n_stopped": reasons,
        "n_outside_method": reasons.get(OUTSIDE_METHOD, 0),
        "lifetimes_fs": {},
    }
    life = member_lifetime(members)
    if life is not None:
        result["lifetimes_fs"] = {
            str(life.state): {key: value for key, value in asdict(life).items() if key != "state"}
        }
    for name, by_state in (("products", True), ("yields", False)):
        ends = member_yields(members, by_state=by_state)
        if ends:
            result[name] = [_yield(one, with_state=by_state) for one in ends]
    changed = member_isomers(members)
    if changed is not None:
        quantity, one = changed
        result["isomerisation"] = {"atoms": list(quantity.atoms), **_yield(one, with_state=False)}
        del result["isomerisation"]["fragments"]
    return plain(result)


def population_numbers(members: Members) -> dict[str, object]:
    """Return that part of the dictionary of `analyse_members` that the populations alone give."""
    found = member_populations(members)
    helps = more(members, found)
    numbers = {
        "members": [
            {
                "run": run.path.name,
                "member": number,
                "n_trajectories": run.n_trajectories,
                "n_finished": int(ended_as_asked(run).sum()),
                "n_stopped": stopped(run),
                "populations": found.members[place],
            }
            for place, (number, run) in enumerate(zip(members.numbers, members.runs, strict=True))
        ],
        "time_fs": members.runs[0].time_fs[: members.n_frames],
        "populations": found.mean,
        "populations_low": found.low,
        "populations_high": found.high,
        "populations_sampling_low": found.sampling_low,
        "populations_sampling_high": found.sampling_high,
        "populations_fate_low": found.fate_low,
        "populations_fate_high": found.fate_high,
        "populations_model": found.model,
        "populations_spread": found.errors.spread,
        "population_estimator": members.runs[0].attributes["population_estimator"],
        "more": None if helps is None else asdict(helps),
    }
    return plain(numbers)


def _yield(one: MemberYield, *, with_state: bool) -> dict[str, object]:
    state = {"state": one.state} if with_state else {}
    return {"fragments": one.fragments, **state, "n": one.n, **_first(one.found)}


def _first(found: Fractions) -> dict[str, object]:
    """Return the numbers of a fraction at one time."""
    return {
        "fraction": found.mean[0, 0],
        "low": found.low[0, 0],
        "high": found.high[0, 0],
        "sampling_low": found.sampling_low[0, 0],
        "sampling_high": found.sampling_high[0, 0],
        "model": found.model[0, 0],
        "members": np.asarray(found.members[:, 0, 0]),
    }


def _sums(counts: Sequence[dict[str, int]]) -> dict[str, int]:
    names = dict.fromkeys(name for one in counts for name in one)
    return {name: sum(one.get(name, 0) for one in counts) for name in names}
