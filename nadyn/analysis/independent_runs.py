"""Two runs whose trajectories are no pairs: populations and yields with intervals of their differences."""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from nadyn.analysis.fates import effective_number
from nadyn.analysis.intervals import QUANTILE, wilson
from nadyn.analysis.pair_checks import check_alike, unlike, why_no_pairs
from nadyn.analysis.pairs import Pairs, common_frames, paired, rows_of
from nadyn.analysis.populations import populations
from nadyn.analysis.products import Outcome, outcomes
from nadyn.trajectory import Run, open_judged


@dataclass(frozen=True)
class YieldBeside:
    """How often two runs end as one product.

    Attributes:
        fragments: Of the product.
        first: Fraction in the first run.
        second: In the second.
        difference: Second minus first.
        low: Lower end of its 95 % interval.
        high: Upper end.
    """

    fragments: str
    first: float
    second: float
    difference: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Independent:
    """What two runs from other starts have in common, and what not.

    Attributes:
        reason: Why their trajectories are no pairs.
        n: Trajectories of both.
        time_fs: Of each frame that both have.
        populations: Of both.
        mean: Second minus first; NaN where most of one are of unknown fate.
        low: Lower end of its 95 % interval, at each time alone.
        high: Upper end.
        yields: Of the products that either has; empty where none falls apart.
        notes: What else differs between the runs, in sentences.
    """

    reason: str
    n: tuple[int, int]
    time_fs: Float[np.ndarray, "frame"]
    populations: tuple[Float[np.ndarray, "frame state"], Float[np.ndarray, "frame state"]]
    mean: Float[np.ndarray, "frame state"]
    low: Float[np.ndarray, "frame state"]
    high: Float[np.ndarray, "frame state"]
    yields: tuple[YieldBeside, ...]
    notes: tuple[str, ...]

    @property
    def error(self) -> Float[np.ndarray, "frame state"]:
        """Half of the interval as a standard error, the larger half, for figures."""
        return np.maximum(self.high - self.mean, self.mean - self.low) / QUANTILE

    def numbers(self) -> dict[str, object]:
        """Return everything for a JSON file; NaN is null."""
        return {
            "no_pairs": self.reason,
            "trajectories": list(self.n),
            "time_fs": self.time_fs.tolist(),
            "populations": [rows_of(one) for one in self.populations],
            "difference": rows_of(self.mean),
            "difference_low": rows_of(self.low),
            "difference_high": rows_of(self.high),
            "yields": [asdict(one) for one in self.yields],
            "notes": list(self.notes),
        }


def beside(reference: str | Path, other: str | Path, *, believe: float = 1.0) -> Pairs | Independent:
    """Compare two trajectory files, pair by pair where trajectories are pairs, else as independent runs.

    Args:
        reference: One run.
        other: The other one.
        believe: How far the committee of the other one is believed, see `judged`.

    Raises:
        InputError: As `independent`.
    """
    runs = open_judged(reference), open_judged(other, believe=believe)
    check_alike(Path(other), *runs, n_common=len(common_frames(*runs)[0]))
    are_pairs = why_no_pairs(*runs) is None
    return (paired if are_pairs else independent)(reference, other, believe=believe)


def independent(reference: str | Path, other: str | Path, *, believe: float = 1.0) -> Independent:
    """Compare two trajectory files whose trajectories are no pairs, at all times that both have.

    Args:
        reference: One run.
        other: The other one.
        believe: How far the committee of the other one is believed, see `judged`.

    Raises:
        InputError: They are of other atoms, isotopes or states, or have fewer than two times in common.
    """
    first, second = open_judged(reference), open_judged(other, believe=believe)
    frames = common_frames(first, second)
    check_alike(Path(other), first, second, n_common=len(frames[0]))
    one, two = populations(first), populations(second)
    arrays = [
        tuple(getattr(found, name)[own] for name in ("mean", "low", "high"))
        for found, own in zip((one, two), frames, strict=True)
    ]
    all_known = [
        found.counted[own] == run.n_trajectories
        for found, own, run in zip((one, two), frames, (first, second), strict=True)
    ]
    mean, low, high = difference(
        *arrays, known=np.repeat((all_known[0] & all_known[1])[:, None], first.n_states, axis=1)
    )
    return Independent(
        why_no_pairs(first, second) or "",
        (first.n_trajectories, second.n_trajectories),
        np.array(first.time_fs)[frames[0]],
        (arrays[0][0], arrays[1][0]),
        mean,
        low,
        high,
        _yields(first, second),
        unlike(first, second, pairs=False),
    )


def difference(
    first: tuple[Float[np.ndarray, "*where"], Float[np.ndarray, "*where"], Float[np.ndarray, "*where"]],
    second: tuple[Float[np.ndarray, "*where"], Float[np.ndarray, "*where"], Float[np.ndarray, "*where"]],
    *,
    known: Bool[np.ndarray, "*where"],
) -> tuple[Float[np.ndarray, "*where"], Float[np.ndarray, "*where"], Float[np.ndarray, "*where"]]:
    """Return the difference of two independent probabilities, second minus first, with its 95 % interval.

    Half widths add in squares where everything is known. Where fates are unknown they are no chance, and may
    all have gone the worse way: there the ends of one stand against those of the other.

    Source: R. G. Newcombe, Stat. Med. 17, 873 (1998), method 10.

    Args:
        first: Estimate, lower and upper end.
        second: The same of the other one.
        known: Whether no fate is unknown.
    """
    (p, p_low, p_high), (q, q_low, q_high) = first, second
    found = q - p
    low = np.where(known, found - np.hypot(q - q_low, p_high - p), q_low - p_high)
    high = np.where(known, found + np.hypot(q_high - q, p - p_low), q_high - p_low)
    return found, low, high


def _yields(first: Run, second: Run) -> tuple[YieldBeside, ...]:
    """Return the yields of all products that either run has; nothing where both stay whole."""
    found = [outcomes(run, by_state=False, also_whole=True) for run in (first, second)]
    names = list(dict.fromkeys(name for one in found for name, _ in one))
    if len(names) < 2:
        return ()
    unknown = [
        float(run.weight[~np.any([one.chosen for one in ends.values()], axis=0)].sum() / run.weight.sum())
        for run, ends in zip((first, second), found, strict=True)
    ]
    beside = []
    for name in names:
        p, q = (
            _fraction(run, ends.get((name, None)), lost)
            for run, ends, lost in zip((first, second), found, unknown, strict=True)
        )
        gap, low, high = difference(p, q, known=np.array([max(unknown) == 0.0]))
        beside.append(YieldBeside(name, *(float(one[0]) for one in (p[0], q[0], gap, low, high))))
    return tuple(beside)


def _fraction(
    run: Run, one: Outcome | None, unknown: float
) -> tuple[Float[np.ndarray, "1"], Float[np.ndarray, "1"], Float[np.ndarray, "1"]]:
    """Return the fraction of a product with its interval, whatever became of those of unknown fate."""
    fraction = np.zeros(1) if one is None else np.array([run.weight[one.chosen].sum() / run.weight.sum()])
    n = effective_number(run.weight)
    return fraction, wilson(fraction, n)[0], wilson(np.minimum(fraction + unknown, 1.0), n)[1]
