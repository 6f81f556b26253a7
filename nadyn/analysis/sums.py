"""Sums over trajectories from which populations and their intervals follow: what parts of a run add up to.

The numbers are those of `nadyn.analysis.populations`, which has all trajectories at once; here a part of
them is in memory at a time.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from nadyn.analysis.fates import MOST_UNKNOWN, known
from nadyn.analysis.populations import QUANTILE, Populations, occupations, wilson
from nadyn.trajectory import Run

# What is not added up but compared: the least and the largest value that a trajectory contributes.
_LEAST, _LARGEST = "least", "largest"


@dataclass(frozen=True)
class Sums:
    """Sums over the trajectories of one part or of several; by name, with an axis of frames."""

    time_fs: Float[np.ndarray, "frame"]
    by_name: Mapping[str, np.ndarray]
    estimated: bool

    def __add__(self, other: "Sums") -> "Sums":
        """Return those of both parts together."""
        joined = {name: array + other.by_name[name] for name, array in self.by_name.items()}
        joined[_LEAST] = np.minimum(self.by_name[_LEAST], other.by_name[_LEAST])
        joined[_LARGEST] = np.maximum(self.by_name[_LARGEST], other.by_name[_LARGEST])
        return Sums(self.time_fs, joined, self.estimated)


def sums_of(run: Run) -> Sums:
    """Return the sums over the trajectories of a run."""
    is_known, occupation = known(run), occupations(run)
    electronic = (np.asarray(run.coefficients) ** 2).sum(axis=-1)
    there = np.isfinite(occupation).all(axis=-1)
    weight = np.where(is_known & there, run.weight, 0.0)
    values = np.where(weight[..., None] > 0, occupation, 0.0)
    seen = np.where(weight[..., None] > 0, occupation, np.nan)
    held = np.where(there, run.weight, 0.0)
    sums = {
        "all": np.array([run.weight.sum(), (run.weight**2).sum()]),
        # One that is known but in no window of its method has no vote.
        "with_a_vote": np.where(is_known & (weight == 0), 0.0, run.weight).sum(axis=1),
        "counted": is_known.sum(axis=1),
        **_moments("occupation", weight, values),
        "electronic": np.einsum("ft,fts->fs", weight, np.where(weight[..., None] > 0, electronic, 0.0)),
        "held_weight": held.sum(axis=1),
        "held": np.einsum("ft,fts->fs", held, np.where(held[..., None] > 0, occupation, 0.0)),
        _LEAST: np.nanmin(seen, axis=(0, 1), initial=np.inf),
        _LARGEST: np.nanmax(seen, axis=(0, 1), initial=-np.inf),
    }
    if run.diabatic_populations is not None:
        diabatic = np.asarray(run.diabatic_populations)
        votes = np.where(is_known & np.isfinite(diabatic).all(axis=-1), run.weight, 0.0)
        sums |= _moments("diabatic", votes, np.where(votes[..., None] > 0, diabatic, 0.0))
        sums["unknown"] = ~is_known @ run.weight
    return Sums(run.time_fs, sums, run.populations_adiabatic is not None)


def _moments(name: str, weight: np.ndarray, values: np.ndarray) -> dict[str, np.ndarray]:
    return {
        f"{name}_weight": weight.sum(axis=1),
        f"{name}_weight_squared": (weight**2).sum(axis=1),
        name: np.einsum("ft,ftk->fk", weight, values),
        f"{name}_squared": np.einsum("ft,ftk->fk", weight, values**2),
    }


def populations_of(sums: Sums) -> Populations:
    """Return the populations that sums over all trajectories stand for."""
    has = sums.by_name
    total, weight = has["with_a_vote"][:, None], has["occupation_weight"][:, None]
    in_state = has["occupation"] / total
    fate_unknown = np.maximum(1.0 - weight / total, 0.0)
    counts = fate_unknown <= MOST_UNKNOWN
    mean = np.where(counts, _quotient(has["occupation"], weight), np.nan)
    n = has["all"][0] ** 2 / has["all"][1]
    n_counted = _quotient(weight**2, has["occupation_weight_squared"][:, None], otherwise=1.0)
    if sums.estimated:
        # As over all trajectories at once, the mean and not the limits know of those of unknown fate.
        half = QUANTILE * _error(has, "occupation", n_counted)
        low = in_state + fate_unknown * np.minimum(has[_LEAST], 0.0) - half
        high = in_state + fate_unknown * np.maximum(has[_LARGEST], 1.0) + half
        chance = (mean - half - 1e-9, mean + half + 1e-9)
    else:
        low, high = wilson(in_state, n)[0], wilson(np.minimum(in_state + fate_unknown, 1.0), n)[1]
        chance = wilson(mean, n_counted)
    held = _quotient(has["held"], has["held_weight"][:, None])
    diabatic, diabatic_error = _diabatic(has) if "diabatic" in has else (None, None)
    return Populations(
        time_fs=sums.time_fs,
        mean=mean,
        low=low,
        high=high,
        counted=has["counted"],
        held=held,
        differ=(held < chance[0]) | (held > chance[1]),
        electronic=np.where(counts, _quotient(has["electronic"], weight), np.nan),
        diabatic=diabatic,
        diabatic_error=diabatic_error,
    )


def _diabatic(has: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    weight, unknown = has["diabatic_weight"][:, None], has["unknown"][:, None]
    counts = unknown <= MOST_UNKNOWN * (unknown + weight)
    mean = np.where(counts, _quotient(has["diabatic"], weight), np.nan)
    n = np.where(counts, _quotient(weight**2, has["diabatic_weight_squared"][:, None]), np.nan)
    spread = n * _variance(has, "diabatic")
    return mean, np.sqrt((spread + 0.5 * mean**2 + 0.5 * (1 - mean) ** 2) / (n * (n + 1)))


def _error(has: Mapping[str, np.ndarray], name: str, n: np.ndarray) -> np.ndarray:
    return np.sqrt(_variance(has, name) / np.maximum(n - 1, 1))


def _variance(has: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    weight = has[f"{name}_weight"][:, None]
    mean = _quotient(has[name], weight)
    # Rounding must not make it negative where all values are the same.
    return np.maximum(_quotient(has[f"{name}_squared"], weight) - mean**2, 0.0)


def _quotient(above: np.ndarray, below: np.ndarray, *, otherwise: float = np.nan) -> np.ndarray:
    above, below = np.broadcast_arrays(above, below)
    return np.divide(above, below, out=np.full(above.shape, otherwise), where=below > 0)
