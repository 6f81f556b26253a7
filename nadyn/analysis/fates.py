"""Which trajectories are known at which time: running, ended as asked, or stopped by a failure."""

import numpy as np
from jaxtyping import Bool, Float, Int

from nadyn.trajectory import Run

# Such a trajectory keeps the state it ended on; the file repeats its last values to the end.
ENDED_AS_ASKED = ("finished", "left_region", "dissociated", "settled")
# Of these the state is known for ever, but the molecule was on its way to somewhere.
SETTLED = "settled"
RUNNING = "running"
# No data can help such a trajectory: the level of theory does not hold where it went.
OUTSIDE_METHOD = "outside_method"
# Where more than this part of all, by weight, has an unknown fate, what became of the others says nothing of
# all: the truth may be anything in a range that is as wide.
MOST_UNKNOWN = 0.5


def ended_as_asked(run: Run) -> Bool[np.ndarray, "traj"]:
    """Return which trajectories have an end that is a result.

    They came to the end of the run, left the region of interest, fell apart for good, or stayed on the lowest
    state for as long as was asked for.
    """
    names = [run.status_names[int(code)] for code in run.status]
    return np.array([name in ENDED_AS_ASKED for name in names])


def has_last_geometry(run: Run) -> Bool[np.ndarray, "traj"]:
    """Return which trajectories have an end that says what the molecule has become.

    One that settled on the lowest state ended while it was hot.
    """
    settled = [code for code, name in run.status_names.items() if name == SETTLED]
    return ended_as_asked(run) & ~np.isin(run.status, settled)


def known(run: Run) -> Bool[np.ndarray, "frame traj"]:
    """Return where the state is known: as long as a trajectory ran, for ever if it ended as asked."""
    return run.alive() | ended_as_asked(run)[None, :]


def shown_times(run: Run) -> Float[np.ndarray, "shown"]:
    """Return the times that a figure shows [fs]: all, or a little more than those at which anything is known.

    Where every trajectory was stopped in the tenth part of a run, nine tenths of a figure would be empty.
    """
    return run.time_fs[: n_shown(known(run).any(axis=1))]


def n_shown(is_known: Bool[np.ndarray, "frame"]) -> int:
    """Return how many frames a figure shows, from whether anything is known at each."""
    n = int(is_known.sum())
    return max(min(len(is_known), n + max(1, n // 10)), min(len(is_known), 2))


def has_settled(run: Run) -> Bool[np.ndarray, "frame traj"]:
    """Return where a trajectory has ended because it settled: its state is known, its geometry is not."""
    return known(run) & ~run.alive() & ~has_last_geometry(run)[None, :]


def endings(run: Run) -> dict[str, int]:
    """Return how many trajectories ended as asked, by how."""
    names = [run.status_names[int(code)] for code in run.status]
    return {name: names.count(name) for name in ENDED_AS_ASKED}


def stopped(run: Run) -> dict[str, int]:
    """Return how many trajectories stopped before the end, by reason; the most frequent first."""
    names = [run.status_names[int(code)] for code in run.status]
    reasons = [name for name in names if name not in (*ENDED_AS_ASKED, RUNNING)]
    return {
        reason: reasons.count(reason) for reason in sorted(set(reasons), key=lambda r: (-reasons.count(r), r))
    }


def final_state(run: Run) -> Int[np.ndarray, "traj"]:
    """Return the active state after the last valid step, hops after the last frame included."""
    state = np.array(run.active_state[0], dtype=np.int64)
    hops = run.hops
    counts = (hops["accepted"] == 1) & (hops["step"] <= run.last_step[hops["traj"]])
    order = np.argsort(hops["step"][counts], kind="stable")
    # Later assignments to the same trajectory win.
    state[hops["traj"][counts][order]] = hops["to_state"][counts][order]
    return state


def effective_number(weight: Float[np.ndarray, "traj"]) -> float:
    """Return how many equally weighted trajectories carry as much information: (sum w)^2 / sum w^2.

    Source: L. Kish, Survey Sampling (Wiley, 1965).
    """
    return float(weight.sum() ** 2 / (weight**2).sum())
