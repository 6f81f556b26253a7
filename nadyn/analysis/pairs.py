"""Two runs from the same starts with the same random numbers: trajectories of one number are pairs."""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from nadyn.analysis.fates import ended_as_asked, known
from nadyn.analysis.populations import occupations
from nadyn.analysis.products import yields
from nadyn.analysis.two_errors import QUANTILE
from nadyn.checks.errors import InputError
from nadyn.trajectory import Run, open_run
from nadyn.units import ANGSTROM_PER_BOHR

# Starts that are the same [bohr], and times that are [fs].
_SAME_START, _SAME_TIME = 1e-6, 1e-6
# First hops so near to each other are counted as one event [fs].
NEAR_HOPS_FS = 5.0


@dataclass(frozen=True)
class Difference:
    """The largest difference of a population between two runs on the same starts.

    Attributes:
        largest: |ΔP| where it is largest, over times and states.
        error: Standard error of ΔP there, of pairs of trajectories.
        time_fs: When.
        state: Of which state.
        to_the_end: Whether enough pairs are known at all times; what is lost on the way has no difference.
        at_least: What |ΔP| is at least with 95 % confidence, at the time and of the state where that is most:
            a later time with fewer pairs may have a larger difference that means less.
    """

    largest: float
    error: float
    time_fs: float
    state: int
    to_the_end: bool = True
    at_least: float = 0.0


@dataclass(frozen=True)
class Pairs:
    """What two runs have in common, and what not.

    Attributes:
        n: Pairs of trajectories.
        time_fs: Of each frame that both have.
        populations: Of both, of pairs that are known then.
        mean: Their difference, second minus first.
        error: Its standard error.
        n_known: Pairs known at each time.
        difference: Where it is largest.
        n_hopped_in_both: Pairs of which both hop down.
        n_hopped_in_either: Pairs of which one does, and neither had stopped before.
        median_lag_fs: Median of |Δt| of first hops down, of those in both; None without any.
        n_near_hops: First hops down within `NEAR_HOPS_FS` of each other.
        products: Fractions of both by product, with the numbers of trajectories.
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
    median_lag_fs: float | None
    n_near_hops: int
    products: tuple[dict[str, int], dict[str, int]]

    def numbers(self) -> dict[str, object]:
        """Return everything for a JSON file; NaN where no pair is known is null."""

        def rows(array: np.ndarray) -> list:
            return [[None if not np.isfinite(x) else float(x) for x in row] for row in array]

        return {
            "pairs": self.n,
            "time_fs": self.time_fs.tolist(),
            "populations": [rows(one) for one in self.populations],
            "difference": rows(self.mean),
            "standard_error": rows(self.error),
            "known": self.n_known.astype(int).tolist(),
            "largest": asdict(self.difference),
            "first_hops": {
                "in_both": self.n_hopped_in_both,
                "in_either": self.n_hopped_in_either,
                "median_difference_fs": self.median_lag_fs,
                f"within_{NEAR_HOPS_FS:g}_fs": self.n_near_hops,
            },
            "products": list(self.products),
        }


def paired(reference: str | Path, other: str | Path) -> Pairs:
    """Compare two trajectory files pair by pair, up to the last frame that both have.

    Args:
        reference: One run, such as one by direct dynamics.
        other: The other one, such as one on a learned model.

    Raises:
        InputError: They are of other atoms, states or times, or do not begin in the same places.
    """
    first, second = open_run(reference), open_run(other)
    _check_pairs(Path(other), first, second)
    n = min(first.n_trajectories, second.n_trajectories)
    frames = min(first.committed_frames, second.committed_frames)
    time = np.array(first.time_fs)[:frames]
    values = [known_occupations(run)[:frames, :n] for run in (first, second)]
    mean, error, both = differences(*values)
    end_fs = float(time[-1])
    hops = np.stack([first_hops_down(run, end_fs)[:n] for run in (first, second)])
    in_both = np.isfinite(hops).all(axis=0)
    # A pair of which one has stopped before the other hops says nothing.
    ends = np.stack([_step_fs(run) * np.asarray(run.last_step)[:n] for run in (first, second)])
    earlier = np.where(np.isfinite(hops), hops, np.inf).min(axis=0)
    in_either = np.isfinite(earlier) & (ends >= earlier).all(axis=0)
    lag = np.abs(hops[1] - hops[0])[in_both]
    return Pairs(
        n=n,
        time_fs=time,
        populations=(_mean_of(values[0], both), _mean_of(values[1], both)),
        mean=mean,
        error=error,
        n_known=both.sum(axis=1).astype(float),
        difference=largest(time, mean, error, both),
        n_hopped_in_both=int(in_both.sum()),
        n_hopped_in_either=int(in_either.sum()),
        median_lag_fs=float(np.median(lag)) if len(lag) else None,
        n_near_hops=int((lag <= NEAR_HOPS_FS).sum()),
        products=(_products(first), _products(second)),
    )


def known_occupations(run: Run) -> Float[np.ndarray, "frame traj state"]:
    """Return what each trajectory contributes to the populations; NaN where a stop has made it unknown."""
    values = np.array(occupations(run), dtype=np.float64)
    values[~known(run)] = np.nan
    return values


def paired_difference(
    time_fs: Float[np.ndarray, "frame"],
    first: Float[np.ndarray, "frame traj state"],
    second: Float[np.ndarray, "frame traj state"],
) -> Difference:
    """Return the largest difference between populations of two runs whose trajectories are pairs.

    Args:
        time_fs: Of each frame.
        first: Contribution of each trajectory to each population; NaN where its state is not known.
        second: The same of the other run.
    """
    return largest(time_fs, *differences(first, second))


def differences(
    first: Float[np.ndarray, "frame traj state"], second: Float[np.ndarray, "frame traj state"]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the mean difference of pairs by frame and state, its standard error, and which pairs are known.

    Of pairs in which one trajectory has no state any more, at a time, neither counts then. The error is that
    of the mean of n differences, as if half a pair more had differed, so that pairs that are all alike do not
    claim to be sure.
    """
    difference = second - first
    known_pairs = np.isfinite(difference).all(axis=2)
    n = np.maximum(known_pairs.sum(axis=1), 1)[:, None]
    values = np.where(known_pairs[..., None], difference, 0.0)
    mean = values.sum(axis=1) / n
    square = (values**2).sum(axis=1) / n
    error = np.sqrt((np.maximum(square - mean**2, 0.0) * n + 0.5) / n) / np.sqrt(n)
    return mean, error, known_pairs


def largest(time_fs: np.ndarray, mean: np.ndarray, error: np.ndarray, known_pairs: np.ndarray) -> Difference:
    """Return where what `differences` gives is largest; times at which few pairs are left say little."""
    enough = known_pairs.sum(axis=1) >= max(5, 0.5 * known_pairs.shape[1])
    size = np.where(enough[:, None], np.abs(mean), -1.0)
    frame, state = np.unravel_index(int(np.argmax(size)), size.shape)
    surely = np.where(enough[:, None], np.abs(mean) - QUANTILE * error, -1.0)
    return Difference(
        float(max(size[frame, state], 0.0)),
        float(error[frame, state]),
        float(time_fs[frame]),
        int(state),
        to_the_end=bool(enough.all()),
        at_least=float(max(surely.max(), 0.0)),
    )


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
    found = {one.fragments: one.n for one in yields(run)}
    return found or {"whole": int(ended_as_asked(run).sum())}


def _check_pairs(path: Path, first: Run, second: Run) -> None:
    where = f"{str(path)!r} must be of"
    if not np.array_equal(first.atomic_numbers, second.atomic_numbers):
        raise InputError(f"{where} the same atoms as the other run, but is not.")
    if first.n_states != second.n_states:
        raise InputError(f"{where} {first.n_states} states, as the other run, but is of {second.n_states}.")
    frames = min(first.committed_frames, second.committed_frames)
    if frames < 2:
        raise InputError(f"{where} two frames at least, but is of {frames}. Let it run further.")
    apart_fs = np.abs(np.asarray(first.time_fs)[:frames] - np.asarray(second.time_fs)[:frames]).max()
    if apart_fs > _SAME_TIME:
        raise InputError(
            f"{where} the same times as the other run, but is not. Run both with the same `dt_fs` and "
            "`write_every`."
        )
    n = min(first.n_trajectories, second.n_trajectories)
    apart = np.abs(np.asarray(first.positions[0, :n]) - np.asarray(second.positions[0, :n])).max()
    if apart > _SAME_START:
        raise InputError(
            f"{where} trajectories that begin where those of the other run do, but starts differ by "
            f"{apart * ANGSTROM_PER_BOHR:.2g} Å. Run both with `initial: {{file: starts.h5}}` and the same "
            "`seed`."
        )
