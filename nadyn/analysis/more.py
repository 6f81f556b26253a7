"""What would make the interval of a population narrower: more trajectories, labels, or members."""

from dataclasses import dataclass

import numpy as np

from nadyn.analysis.member_fractions import Fractions
from nadyn.analysis.members import Members
from nadyn.analysis.two_errors import TwoErrors, expected

_TIMES_AS_MANY = 4.0
_HALF = 0.5
# Fewer members hardly know their own spread.
_FEW_MEMBERS = 3
# What makes an interval narrower by less than this part is not worth its cost.
_WORTH = 0.1


@dataclass(frozen=True)
class More:
    """The widest interval of a population, what makes it, and what would make it narrower.

    Half widths of 95 % intervals; those that are expected are about.

    Attributes:
        time_fs: When it is widest [fs].
        state: Of which state.
        mean: The population.
        half_width: Of everything, had populations no limits at 0 and 1.
        sampling: From the number of trajectories.
        model: From the spread between members.
        fates: From trajectories that were stopped.
        by_chance: Whether chance explains all of the difference between members.
        with_trajectories: Expected `half_width` with four times as many trajectories.
        with_labels: With so many more labels that the spread between members, and what is stopped, is half.
        with_members: With twice as many members; None where there are enough.
        sentence: All of it in words.
    """

    time_fs: float
    state: int
    mean: float
    half_width: float
    sampling: float
    model: float
    fates: float
    by_chance: bool
    with_trajectories: float
    with_labels: float
    with_members: float | None
    sentence: str


def more(members: Members, found: Fractions) -> More | None:
    """Return what would make the widest interval narrower; None where too many were stopped for a mean.

    Args:
        members: The runs.
        found: Their populations.
    """
    width = np.where(np.isfinite(found.mean), found.high - found.low, -1.0)
    frame, state = np.unravel_index(int(np.argmax(width)), width.shape)
    if width[frame, state] < 0:
        return None
    errors = found.errors
    here = TwoErrors(
        *(
            one[frame, state : state + 1]
            for one in (errors.mean, errors.sampling, errors.between, errors.noise)
        ),
        errors.n_members,
    )
    fates = 0.5 * float(found.fate_high[frame, state] - found.fate_low[frame, state])
    sampling = 0.5 * float(found.sampling_high[frame, state] - found.sampling_low[frame, state])
    model = float(here.model[0])
    now = fates + float(np.hypot(sampling, model))
    n_members = errors.n_members
    with_trajectories = fates + float(expected(here, trajectories=_TIMES_AS_MANY)[0])
    with_labels = _HALF * fates + float(expected(here, spread=_HALF)[0])
    with_members = None
    if n_members <= _FEW_MEMBERS:
        with_members = min(fates + float(expected(here, n_members=2 * n_members)[0]), now)
    result = More(
        float(members.runs[0].time_fs[frame]),
        int(state),
        float(found.mean[frame, state]),
        now,
        sampling,
        model,
        fates,
        bool(here.spread[0] == 0),
        min(with_trajectories, now),
        min(with_labels, now),
        with_members,
        "",
    )
    n = sum(run.n_trajectories for run in members.runs)
    known = np.flatnonzero(np.isfinite(found.mean).all(axis=1))
    if known[-1] + 1 < len(found.mean):
        words = _none_known_after(float(members.runs[0].time_fs[known[-1]]))
    else:
        words = _sentence(result, n, n_members)
    return More(**{**vars(result), "sentence": words})


def _none_known_after(time_fs: float) -> str:
    """Say what helps where populations end: no width of a time before says how little is known after it."""
    return (
        f"After {time_fs:.4g} fs no population is known, because more than half of the trajectories of a "
        "member were stopped: labels at the geometries that stopped them help most (`nadyn label --stopped`)."
    )


def _sentence(found: More, n_trajectories: int, n_members: int) -> str:
    some_stopped = found.fates > 5e-4
    parts = [
        f"± {_width(found.sampling)} from {n_trajectories} trajectories",
        f"± {_width(found.model)} from {n_members} members",
    ]
    if found.by_chance and found.model > 5e-4:
        parts[1] += ", who differ no more than chance explains, but might"
    parts += [f"± {_width(found.fates)} from those that were stopped"] if some_stopped else []
    more_members = f"{2 * n_members} members on the same labels"
    labels = f"labels that halve the spread between members{' and the stops' if some_stopped else ''}"
    ways = {
        f"{_TIMES_AS_MANY:g} times as many trajectories": (found.with_trajectories, "more trajectories help"),
        labels: (found.with_labels, "more labels help"),
    }
    if found.with_members is not None:
        ways[more_members] = (found.with_members, "more members help")
    best, helps = min(ways.values())
    worth = found.half_width - best >= _WORTH * found.half_width
    each = ", ".join(f"{name} about ± {_width(value)}" for name, (value, _) in ways.items())
    each = each.replace(" about", " would leave about", 1)
    return (
        f"State {found.state} at {found.time_fs:.4g} fs is known worst, {found.mean:.3f} ± "
        f"{_width(found.half_width)} ({'; '.join(parts)}): {each}, "
        f"so that {f'{helps} most' if worth else 'none of them helps much'}."
    )


def _width(value: float) -> str:
    """Return a half width; a population cannot be known worse than by one half."""
    return f"{value:.3f}" if value < _HALF else "0.5 or more"
