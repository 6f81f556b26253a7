"""Which fragments a molecule fell into, and on which electronic state."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from nadyn.analysis.fates import effective_number, ended_as_asked, final_state
from nadyn.analysis.populations import wilson
from nadyn.structures import formula
from nadyn.structures.fragments import fragments
from nadyn.trajectory import Run


@dataclass(frozen=True)
class Product:
    """One kind of end of a trajectory.

    Attributes:
        fragments: Formulas of the fragments, the one with most atoms first, such as `NH2 + H`; isotopes are
            told apart, as in `NHD + H` and `NH2 + D`.
        state: Electronic state at the end; None for methods whose trajectories are on no single state.
        n: Number of trajectories.
        fraction: Of all trajectories, by weight.
        low: Lower end of the 95 % interval, if no trajectory of unknown fate or state ended so.
        high: Upper end of the 95 % interval, if all of them did that could have.
    """

    fragments: str
    state: int | None
    n: int
    fraction: float
    low: float
    high: float


def products(run: Run) -> list[Product]:
    """Return the products of a molecule, the most frequent first; none if nothing fell apart.

    Two atoms belong to one fragment if a chain of distances below 2.5 times the sum of both covalent radii
    joins them, at the end of the trajectory. One that was stopped while whole has an unknown fate. One that
    was stopped in pieces counts as it was, but its later state is unknown: the interval holds every state of
    the same fragments.
    """
    ends = _ends(run)
    if ends is None:
        return []
    state = final_state(run) if _on_one_state(run) else np.full(run.n_trajectories, -1)
    found = set(zip(ends.names[ends.decided].tolist(), state[ends.decided].tolist(), strict=True))
    return _most_frequent_first(
        _product(run, name, int(k), (ends.names == name) & (state == k), ends) for name, k in sorted(found)
    )


def yields(run: Run) -> list[Product]:
    """Return how often a molecule fell into the same fragments, whatever their state; none if it never did.

    One that was stopped in pieces is one of them, one that was stopped while whole has an unknown fate.
    """
    ends = _ends(run)
    if ends is None:
        return []
    return _most_frequent_first(
        _product(run, name, -1, ends.names == name, ends)
        for name in np.unique(ends.names[ends.decided]).tolist()
    )


@dataclass(frozen=True)
class _Ends:
    """Fragments of each trajectory at its last valid frame, whether they and whether the state are final."""

    names: np.ndarray
    decided: Bool[np.ndarray, "traj"]
    ended: Bool[np.ndarray, "traj"]


def _ends(run: Run) -> _Ends | None:
    if run.atomic_numbers is None or run.positions.shape[3] != 3 or run.committed_frames == 0:
        return None
    if len(set(fragments(run.atomic_numbers, np.asarray(run.positions[0, :1]))[0])) > 1:
        # A crystal, or molecules side by side: in pieces from the start.
        return None
    last = np.minimum(run.last_step // int(run.attributes["write_every"]), run.committed_frames - 1)
    ends = np.stack([np.asarray(run.positions[frame, traj]) for traj, frame in enumerate(last.tolist())])
    members = fragments(run.atomic_numbers, ends)
    names = np.array([_name(run.atomic_numbers, run.masses, one) for one in members])
    whole = names == formula(run.atomic_numbers, run.masses)
    if whole.all():
        return None
    ended = ended_as_asked(run)
    return _Ends(names, ended | ~whole, ended)


def _most_frequent_first(found: Iterable[Product]) -> list[Product]:
    return sorted(found, key=lambda product: -product.fraction)


def _name(
    atomic_numbers: Int[np.ndarray, "atom"],
    masses: Float[np.ndarray, "atom"],
    member: Int[np.ndarray, "atom"],
) -> str:
    parts = [member == number for number in np.unique(member)]
    named = [(-int(part.sum()), formula(atomic_numbers[part], masses[part])) for part in parts]
    return " + ".join(name for _, name in sorted(named))


def _on_one_state(run: Run) -> bool:
    estimator = str(run.attributes["population_estimator"])
    return run.populations_adiabatic is None and estimator.startswith("fraction of trajectories")


def _product(run: Run, name: str, state: int, like: Bool[np.ndarray, "traj"], ends: _Ends) -> Product:
    """Return the product of trajectories that were like it at their end; a state of -1 is none."""
    chosen = ends.decided & like
    # Without a state, fragments are all there is to know.
    certain = chosen if state < 0 else chosen & ends.ended
    possible = ~ends.decided | (ends.decided & (ends.names == name) & (like if state < 0 else ~ends.ended))
    total, n = run.weight.sum(), effective_number(run.weight)
    sure = run.weight[certain].sum() / total
    most = min(run.weight[certain | possible].sum() / total, 1.0)
    low, high = wilson(np.array([sure]), n)[0], wilson(np.array([most]), n)[1]
    fraction = float(run.weight[chosen].sum() / total)
    label = None if state < 0 else state
    return Product(name, label, int(chosen.sum()), fraction, float(low[0]), float(high[0]))
