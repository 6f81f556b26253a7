"""Quantum yields by product and by the seam that led to the ground state, with simultaneous intervals."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import beta

from nadyn.analysis.fates import MOST_UNKNOWN, effective_number, ended_as_asked
from nadyn.analysis.final_products import final_products
from nadyn.trajectory import Run

_RESAMPLES = 4000
# Of fewer counts the bootstrap knows no tail.
_FEWEST = 5
NEVER = "never"


@dataclass(frozen=True)
class Share:
    """How many trajectories are of one kind.

    Attributes:
        name: The kind.
        n: How many are known to be.
        fraction: Of those whose kind is known, by weight; NaN where these are less than half of all.
        low: Lower end of the interval: none of unknown kind is one of them.
        high: Upper end: all of them are.
    """

    name: str
    n: int
    fraction: float
    low: float
    high: float


def clopper_pearson(count: int | float, n: int | float, level: float = 0.95) -> tuple[float, float]:
    """Return the exact interval of a probability from a count of independent cases.

    Source: C. J. Clopper and E. S. Pearson, Biometrika 26, 404 (1934).
    """
    tail = 0.5 * (1 - level)
    low = float(beta.ppf(tail, count, n - count + 1)) if count > 0 else 0.0
    high = float(beta.ppf(1 - tail, count + 1, n - count)) if count < n else 1.0
    return low, high


def shares(kinds: Sequence[str], weight: Float[np.ndarray, "traj"], *, seed: int) -> list[Share]:
    """Return the part of each kind, the largest first, with intervals that hold all at once in 95 % of cases.

    For equal weights they are exact, else they come from the bootstrap, with the exact interval of the
    effective number of trajectories where that is wider and counts are below 5. Of m kinds each has the level
    1 - 0.05/m (Bonferroni); two are one, for what is not the one is the other.

    Args:
        kinds: Of each trajectory; empty where it is not known.
        weight: Of each.
        seed: Of the bootstrap.
    """
    labels = np.array(kinds)
    names = sorted(set(labels.tolist()) - {""})
    if not names:
        return []
    level = 1 - 0.05 / (len(names) if len(names) > 2 else 1)
    unknown = labels == ""
    total = weight[~unknown].sum()
    says = 1.0 if weight[unknown].sum() <= MOST_UNKNOWN * weight.sum() else np.nan
    found = []
    for name in names:
        sure = labels == name
        low = _interval(sure, weight, level, seed)[0]
        high = _interval(sure | unknown, weight, level, seed)[1]
        found.append((float(weight[sure].sum() / total), name, int(sure.sum()), low, high))
    found.sort(key=lambda one: -one[0])
    return [Share(name, n, says * fraction, low, high) for fraction, name, n, low, high in found]


def _interval(chosen: np.ndarray, weight: np.ndarray, level: float, seed: int) -> tuple[float, float]:
    n = len(weight)
    if np.allclose(weight, weight[0], rtol=1e-9):
        return clopper_pearson(int(chosen.sum()), n, level)
    draws = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), _RESAMPLES) * weight
    fractions = draws[:, chosen].sum(axis=1) / draws.sum(axis=1)
    low, high = np.quantile(fractions, [0.5 * (1 - level), 0.5 * (1 + level)])
    if min(chosen.sum(), n - chosen.sum()) < _FEWEST:
        effective = effective_number(weight)
        exact = clopper_pearson(effective * weight[chosen].sum() / weight.sum(), effective, level)
        low, high = min(float(low), exact[0]), max(float(high), exact[1])
    return float(low), float(high)


def entry_seams(run: Run, cluster: Int[np.ndarray, "hop"] | None = None) -> np.ndarray:
    """Return by which hop each trajectory last came to the lowest state, `1→0`; `never` where it is not there
    at its end, empty where it was stopped or still runs on another state.

    Args:
        run: The run.
        cluster: Number of the geometry of each hop of the table, see `nadyn.analysis.hop_clusters`, to tell
            seams of one pair of states apart; -1 for none.
    """
    seams = np.full(run.n_trajectories, NEVER, dtype=object)
    hops = run.hops
    counts = (hops["accepted"] == 1) & (hops["step"] <= run.last_step[hops["traj"]])
    order = np.argsort(hops["step"], kind="stable")
    for row in order[counts[order]].tolist():
        start, end, traj = (int(hops[name][row]) for name in ("from_state", "to_state", "traj"))
        name = f"{start}→{end}"
        if cluster is not None and cluster[row] >= 0:
            name += f", geometry {cluster[row]}"
        seams[traj] = name if end == 0 else NEVER
    seams[(seams == NEVER) & ~ended_as_asked(run)] = ""
    return seams.astype(str)


@dataclass(frozen=True)
class QuantumYields:
    """Yields of products, and by seam.

    Attributes:
        products: Of all trajectories.
        seams: By which seam trajectories came to the lowest state.
        by_seam: Products of those that came by each seam.
        n_unknown: Trajectories of unknown product, which intervals give to each product in turn.
    """

    products: tuple[Share, ...]
    seams: tuple[Share, ...]
    by_seam: dict[str, tuple[Share, ...]]
    n_unknown: int


def quantum_yields(run: Run, cluster: Int[np.ndarray, "hop"] | None = None) -> QuantumYields | None:
    """Return the yields of the products of a run, see `final_products`; None where there is one or none.

    The fraction is of those whose product is known, if these are half of all or more. A trajectory that was
    stopped before it was may have become any of them: the lower end of an interval is that of a run in which
    none of these became the product, the upper end that of one in which all did.
    """
    names = final_products(run)
    if names is None:
        return None
    seed, weight, seams = int(run.attributes["seed"]), np.asarray(run.weight), entry_seams(run, cluster)
    by_seam = {
        name: tuple(shares(names[seams == name].tolist(), weight[seams == name], seed=seed))
        for name in sorted(set(seams.tolist()) - {""})
    }
    return QuantumYields(
        tuple(shares(names.tolist(), weight, seed=seed)),
        tuple(shares(seams.tolist(), weight, seed=seed)),
        by_seam,
        int((names == "").sum()),
    )


def yield_groups(found: QuantumYields) -> list[tuple[str, tuple[Share, ...]]]:
    """Return the products of all trajectories, then those that came by each seam, each with its name.

    Trajectories that never came to the lowest state are in the first group only; a single seam is left out,
    where it says what the first group says.
    """
    ways = [(name, rows) for name, rows in found.by_seam.items() if name != NEVER and rows]
    return [("all", found.products), *(ways if len(ways) > 1 else ())]
