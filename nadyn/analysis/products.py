"""Which fragments a molecule fell into, and on which electronic state."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from nadyn.analysis.fates import effective_number, final_state, has_last_geometry
from nadyn.analysis.intervals import wilson
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
    found = outcomes(run, by_state=True)
    return _most_frequent_first(_product(run, *key, one) for key, one in found.items())


def yields(run: Run, *, also_whole: bool = False) -> list[Product]:
    """Return how often a molecule fell into the same fragments, whatever their state; none if it never did.

    One that was stopped in pieces is one of them, one that was stopped while whole has an unknown fate.

    Args:
        run: The run.
        also_whole: Whether molecules that all stayed whole are one of them.
    """
    found = outcomes(run, by_state=False, also_whole=also_whole)
    return _most_frequent_first(_product(run, *key, one) for key, one in found.items())


@dataclass(frozen=True)
class Outcome:
    """Which trajectories came to one kind of end.

    Attributes:
        chosen: Those that were like it at their end.
        certain: Those whose end cannot change.
        possible: Those that may have come to it, whatever became of them after they were stopped; `certain`
            ones included.
    """

    chosen: Bool[np.ndarray, "traj"]
    certain: Bool[np.ndarray, "traj"]
    possible: Bool[np.ndarray, "traj"]


def outcomes(run: Run, *, by_state: bool, also_whole: bool = False) -> dict[tuple[str, int | None], Outcome]:
    """Return which trajectories ended as which product, by fragments and state; empty if nothing fell apart.

    Args:
        run: The run.
        by_state: Whether products on different states are told apart, where trajectories are on one.
        also_whole: Whether molecules that all stayed whole are a product, as they are beside others.
    """
    # In a periodic cell there are no fragments that leave.
    ends = None if run.cell is not None else _ends(run)
    if ends is None or (ends.all_whole and not also_whole):
        return {}
    state = final_state(run) if by_state and _on_one_state(run) else np.full(run.n_trajectories, -1)
    found = set(zip(ends.names[ends.decided].tolist(), state[ends.decided].tolist(), strict=True))
    return {
        (name, None if k < 0 else int(k)): _outcome(name, (ends.names == name) & (state == k), ends, k >= 0)
        for name, k in sorted(found)
    }


def _outcome(name: str, like: Bool[np.ndarray, "traj"], ends: "_Ends", has_state: bool) -> Outcome:
    chosen = ends.decided & like
    # Without a state, fragments are all there is to know.
    certain = chosen & ends.ended if has_state else chosen
    same = ~ends.ended if has_state else like
    possible = ~ends.decided | (ends.decided & (ends.names == name) & same)
    return Outcome(chosen, certain, certain | possible)


def fragments_at_end(run: Run) -> np.ndarray | None:
    """Return the fragments of each trajectory at its end as text, empty where its fate is not known; None
    where nothing fell apart or where there are no fragments."""
    ends = None if run.cell is not None else _ends(run)
    return None if ends is None or ends.all_whole else np.where(ends.decided, ends.names, "")


@dataclass(frozen=True)
class _Ends:
    """Fragments of each trajectory at its last valid frame, whether they and whether the state are final."""

    names: np.ndarray
    decided: Bool[np.ndarray, "traj"]
    ended: Bool[np.ndarray, "traj"]
    all_whole: bool


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
    ended = has_last_geometry(run)
    return _Ends(names, ended | ~whole, ended, bool(whole.all()))


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


def _product(run: Run, name: str, state: int | None, one: Outcome) -> Product:
    total, n = run.weight.sum(), effective_number(run.weight)
    sure, most = (run.weight[ends].sum() / total for ends in (one.certain, one.possible))
    low, high = wilson(np.array([sure]), n)[0], wilson(np.array([min(most, 1.0)]), n)[1]
    fraction = float(run.weight[one.chosen].sum() / total)
    return Product(name, state, int(one.chosen.sum()), fraction, float(low[0]), float(high[0]))
