"""Which fragments a molecule fell into, and on which electronic state."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from nadyn.analysis.fates import effective_number, ended_as_asked, final_state
from nadyn.analysis.populations import wilson
from nadyn.structures import formula
from nadyn.structures.fragments import fragments
from nadyn.trajectory import Run


@dataclass(frozen=True)
class Product:
    """One kind of end of a trajectory.

    Attributes:
        fragments: Formulas of the fragments, the one with most atoms first, such as `NH2 + H`.
        state: Electronic state at the end; None for methods whose trajectories are on no single state.
        n: Number of trajectories.
        fraction: Of all trajectories, by weight.
        low: Lower end of the 95 % interval, if no trajectory of unknown fate ended so.
        high: Upper end of the 95 % interval, if all of them did.
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
    joins them, at the end of the trajectory. One that was stopped while whole has an unknown fate; one that
    was stopped in pieces counts as it was.
    """
    if run.atomic_numbers is None or run.positions.shape[3] != 3 or run.committed_frames == 0:
        return []
    if len(set(fragments(run.atomic_numbers, np.asarray(run.positions[0, :1]))[0])) > 1:
        # A crystal, or molecules side by side: in pieces from the start.
        return []
    last = np.minimum(run.last_step // int(run.attributes["write_every"]), run.committed_frames - 1)
    ends = np.stack([np.asarray(run.positions[frame, traj]) for traj, frame in enumerate(last.tolist())])
    names = np.array([_name(run.atomic_numbers, one) for one in fragments(run.atomic_numbers, ends)])
    whole = names == formula(run.atomic_numbers)
    if whole.all():
        return []
    state = final_state(run) if _on_one_state(run) else np.full(run.n_trajectories, -1)
    decided = ended_as_asked(run) | ~whole
    return sorted(
        (
            _product(run, name, int(k), decided & (names == name) & (state == k), decided)
            for name, k in sorted(set(zip(names[decided].tolist(), state[decided].tolist(), strict=True)))
        ),
        key=lambda product: -product.fraction,
    )


def _name(atomic_numbers: Int[np.ndarray, "atom"], member: Int[np.ndarray, "atom"]) -> str:
    parts = [atomic_numbers[member == number] for number in np.unique(member)]
    return " + ".join(formula(part) for part in sorted(parts, key=lambda part: (-len(part), formula(part))))


def _on_one_state(run: Run) -> bool:
    estimator = str(run.attributes["population_estimator"])
    return run.populations_adiabatic is None and estimator.startswith("fraction of trajectories")


def _product(
    run: Run, name: str, state: int, chosen: Bool[np.ndarray, "traj"], decided: Bool[np.ndarray, "traj"]
) -> Product:
    total = run.weight.sum()
    sure, unknown = run.weight[chosen].sum() / total, run.weight[~decided].sum() / total
    n = effective_number(run.weight)
    low, high = wilson(np.array([sure]), n)[0], wilson(np.array([min(sure + unknown, 1.0)]), n)[1]
    label = None if state < 0 else state
    return Product(name, label, int(chosen.sum()), float(sure), float(low[0]), float(high[0]))
