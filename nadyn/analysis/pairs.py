"""Two runs from the same starts with the same random numbers: trajectories of one number are pairs."""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from nadyn.analysis.fates import ended_as_asked, has_last_geometry, known
from nadyn.analysis.occupations import occupations
from nadyn.analysis.pair_checks import check_pairs, unlike
from nadyn.analysis.pair_differences import Difference, differences, paired_difference
from nadyn.analysis.partings import partings
from nadyn.analysis.products import outcomes
from nadyn.trajectory import Run, open_judged

# Times that are the same [fs].
_SAME_TIME = 1e-6
# First hops so near to each other are counted as one event [fs].
NEAR_HOPS_FS = 5.0


@dataclass(frozen=True)
class Pairs:
    """What two runs have in common, and what not.

    Attributes:
        n: Pairs of trajectories.
        time_fs: Of each frame that both have.
        populations: Of both, of pairs that are known then.
        mean: Their difference, second minus first; NaN where no pair is known.
        error: Its standard error.
        n_known: Pairs known at each time.
        difference: Where it is largest.
        n_hopped_in_both: Pairs of which both hop down.
        n_hopped_in_either: Pairs of which one does, and the other too or not until the end.
        n_hops_unknown: Pairs of which one does, and the other was stopped before the end without.
        median_lag_fs: Median of |Δt| of first hops down, of those in both; None without any.
        n_near_hops: First hops down within `NEAR_HOPS_FS` of each other.
        products: Of all trajectories of both runs, of which an end is known, by product.
        notes: What else differs between the runs, in sentences.
        parted_fs: When each pair is on other states for the first time; NaN where never.
    """

    n: int
    time_fs: Float[np.ndarray, "frame"]
    populations: tuple[Float[np.ndarray, "frame state"], Float[np.ndarray, "frame state"]]
    mean: Float[np.ndarray, "frame state"]
    error: Float[np.ndarray, "frame state"]
    n_known: Float[np.ndarray, "frame"]
    difference: Difference
    n_hopped_in_both: int
    n_hopped_in_either: int
    n_hops_unknown: int
    median_lag_fs: float | None
    n_near_hops: int
    products: tuple[dict[str, int], dict[str, int]]
    notes: tuple[str, ...] = ()
    parted_fs: Float[np.ndarray, "traj"] | None = None

    def numbers(self) -> dict[str, object]:
        """Return everything for a JSON file; NaN where no pair is known is null."""
        return {
            "pairs": self.n,
            **numbers_of(self),
            "first_hops": {
                "in_both": self.n_hopped_in_both,
                "in_either": self.n_hopped_in_either,
                "unknown": self.n_hops_unknown,
                "median_difference_fs": self.median_lag_fs,
                f"within_{NEAR_HOPS_FS:g}_fs": self.n_near_hops,
            },
            "products": list(self.products),
            "parted_fs": rows_of(self.parted_fs[None])[0] if self.parted_fs is not None else None,
            "notes": list(self.notes),
        }


def rows_of(array: Float[np.ndarray, "frame state"]) -> list[list[float | None]]:
    """Return an array for a JSON file, null for NaN."""
    return [[None if not np.isfinite(x) else float(x) for x in row] for row in array]


def numbers_of(found: object) -> dict[str, object]:
    """Return what a comparison of pairs and one of a mean have in common."""
    return {
        "time_fs": found.time_fs.tolist(),
        "populations": [rows_of(one) for one in found.populations],
        "difference": rows_of(found.mean),
        "standard_error": rows_of(found.error),
        "known": found.n_known.astype(int).tolist(),
        "largest": asdict(found.difference) if found.difference.n_times else None,
    }


def paired(reference: str | Path, other: str | Path, *, believe: float = 1.0) -> Pairs:
    """Compare two trajectory files pair by pair, at all times that both have.

    Args:
        reference: One run, such as one by direct dynamics.
        other: The other one, such as one on a learned model.
        believe: How far the committee of the other one is believed, see `judged`.

    Raises:
        InputError: They are of other atoms, states or times, or do not begin in the same way.
    """
    runs = first, second = open_judged(reference), open_judged(other, believe=believe)
    n = min(first.n_trajectories, second.n_trajectories)
    frames = common_frames(first, second)
    check_pairs(Path(other), first, second, n_common=len(frames[0]))
    time = np.array(first.time_fs)[frames[0]]
    values = [known_occupations(run)[own][:, :n] for run, own in zip(runs, frames, strict=True)]
    mean, error, both = differences(*values)
    end_fs = float(time[-1])
    hops = np.stack([first_hops_down(run, end_fs)[:n] for run in runs])
    hopped = np.isfinite(hops)
    # Whoever was stopped might have hopped later.
    followed = np.stack(
        [
            ended_as_asked(run)[:n] | (_step_fs(run) * np.asarray(run.last_step)[:n] >= end_fs - _SAME_TIME)
            for run in runs
        ]
    )
    in_both, in_one = hopped.all(axis=0), hopped.any(axis=0) & ~hopped.all(axis=0)
    is_known = (hopped | followed).all(axis=0)
    lag = np.abs(hops[1] - hops[0])[in_both]
    return Pairs(
        n=n,
        time_fs=time,
        populations=(_mean_of(values[0], both), _mean_of(values[1], both)),
        mean=mean,
        error=error,
        n_known=both.sum(axis=1).astype(float),
        difference=paired_difference(time, *values),
        n_hopped_in_both=int(in_both.sum()),
        n_hopped_in_either=int((in_both | (in_one & is_known)).sum()),
        n_hops_unknown=int((in_one & ~is_known).sum()),
        median_lag_fs=float(np.median(lag)) if len(lag) else None,
        n_near_hops=int((lag <= NEAR_HOPS_FS).sum()),
        products=(_products(first), _products(second)),
        notes=unlike(first, second),
        parted_fs=partings(time, *values),
    )


def known_occupations(run: Run) -> Float[np.ndarray, "frame traj state"]:
    """Return what each trajectory contributes to the populations; NaN where a stop has made it unknown."""
    values = np.array(occupations(run), dtype=np.float64)
    values[~known(run)] = np.nan
    return values


def first_hops_down(run: Run, end_fs: float) -> Float[np.ndarray, "traj"]:
    """Return the time of the first accepted hop to a lower state, up to a time [fs]; NaN where none is."""
    times = np.full(run.n_trajectories, np.nan)
    hops = run.hops
    good = (hops["accepted"] == 1) & (hops["step"] <= run.last_step[hops["traj"]])
    good &= hops["to_state"] < hops["from_state"]
    step_fs = _step_fs(run)
    for trajectory, step in zip(hops["traj"][good].tolist(), hops["step"][good].tolist(), strict=True):
        time = step * step_fs
        if time <= end_fs and not times[trajectory] <= time:
            times[trajectory] = time
    return times


def _step_fs(run: Run) -> float:
    return float(run.time_fs[1] - run.time_fs[0]) / int(run.attributes["write_every"])


def _mean_of(values: np.ndarray, known_pairs: np.ndarray) -> np.ndarray:
    n = known_pairs.sum(axis=1)[:, None]
    total = np.where(known_pairs[..., None], values, 0.0).sum(axis=1)
    return np.where(n > 0, total / np.maximum(n, 1), np.nan)


def _products(run: Run) -> dict[str, int]:
    found = outcomes(run, by_state=False, also_whole=True)
    counts = {name: int(one.chosen.sum()) for (name, _), one in found.items()}
    return counts or {"whole": int(has_last_geometry(run).sum())}


def common_frames(first: Run, second: Run) -> tuple[np.ndarray, np.ndarray]:
    """Return the frames of both runs that are at the same times."""
    times = [
        np.round(np.asarray(run.time_fs)[: run.committed_frames] / _SAME_TIME).astype(np.int64)
        for run in (first, second)
    ]
    _, one, other = np.intersect1d(*times, return_indices=True)
    return one, other
