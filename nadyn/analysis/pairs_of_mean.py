"""Runs of all members of a committee beside one reference: the mean of the members, pair by pair."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from nadyn.analysis.pair_checks import check_pairs
from nadyn.analysis.pair_differences import Difference, differences, fates_of, paired_difference
from nadyn.analysis.pairs import common_frames, known_occupations, numbers_of, rows_of
from nadyn.checks.errors import InputError
from nadyn.trajectory import open_judged


@dataclass(frozen=True)
class MeanBeside:
    """The mean over several runs beside a reference, from pairs that are known in all of them.

    Attributes:
        time_fs: Of each frame [fs].
        populations: Of the reference, and the mean of the others.
        members: Of each of the others.
        mean: Mean minus reference.
        error: Its standard error: of the pairs, whose runs are averaged first.
        n_known: Number of pairs.
        difference: The largest of all times and states.
    """

    time_fs: Float[np.ndarray, "frame"]
    populations: tuple[Float[np.ndarray, "frame state"], Float[np.ndarray, "frame state"]]
    members: Float[np.ndarray, "run frame state"]
    mean: Float[np.ndarray, "frame state"]
    error: Float[np.ndarray, "frame state"]
    n_known: Float[np.ndarray, "frame"]
    difference: Difference

    def numbers(self) -> dict[str, object]:
        """Return everything for a JSON file, by the names of `Pairs.numbers`."""
        return numbers_of(self) | {"members": [rows_of(one) for one in self.members]}


def mean_beside(reference: str | Path, runs: Sequence[str | Path], *, believe: float = 1.0) -> MeanBeside:
    """Compare the mean of runs with a reference, trajectory by trajectory.

    Runs of the members of one committee share their starts, so they are no independent samples: the states of
    trajectories of one number are averaged over the runs before they are compared. How far their committee is
    believed is `believe`, see `judged`.

    Raises:
        InputError: A run and the reference are no pairs, or the runs have no times in common.
    """
    first, others = open_judged(reference), [open_judged(one, believe=believe) for one in runs]
    n = min(run.n_trajectories for run in (first, *others))
    own, values = None, []
    for path, other in zip(runs, others, strict=True):
        mine, theirs = common_frames(first, other)
        check_pairs(Path(path), first, other, n_common=len(mine))
        values.append(dict(zip(mine.tolist(), known_occupations(other)[theirs][:, :n], strict=True)))
        own = mine if own is None else np.intersect1d(own, mine)
    if own is None or len(own) < 2:
        raise InputError("runs must have two times in common to be averaged, but do not. Compare one by one.")
    exact = known_occupations(first)[own][:, :n]
    each = np.stack([np.stack([one[frame] for frame in own.tolist()]) for one in values])
    time = np.array(first.time_fs)[own]
    # Of a trajectory that was stopped on one member, the others still say what they know.
    fates = zip(*(fates_of(one) for one in each), strict=True)
    mean, error, both = differences(exact, each.mean(axis=0))
    n_known = both.sum(axis=1).astype(float)

    def over_pairs(found: np.ndarray) -> np.ndarray:
        total = np.where(both[..., None], found, 0.0).sum(axis=-2)
        return np.where(n_known[:, None] > 0, total / np.maximum(n_known, 1)[:, None], np.nan)

    return MeanBeside(
        time_fs=time,
        populations=(over_pairs(exact), over_pairs(each.mean(axis=0))),
        members=np.stack([over_pairs(one) for one in each]),
        mean=mean,
        error=error,
        n_known=n_known,
        difference=paired_difference(
            time, exact, each.mean(axis=0), fates=tuple(np.mean(one, axis=0) for one in fates)
        ),
    )
