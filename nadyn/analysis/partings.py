"""When the trajectories of a pair part: the first time at which they are on other states."""

import numpy as np
from jaxtyping import Float

# Of a trajectory on one state; of one on several, where half of its population is elsewhere.
_APART = 0.5


def partings(
    time_fs: Float[np.ndarray, "frame"],
    first: Float[np.ndarray, "frame traj state"],
    second: Float[np.ndarray, "frame traj state"],
) -> Float[np.ndarray, "traj"]:
    """Return the time at which the states of each pair are others for the first time [fs]; NaN where never.

    Args:
        time_fs: Of each frame [fs].
        first: Contribution of each trajectory to each population; NaN where it is not known.
        second: The same of the other run.
    """
    apart = 0.5 * np.abs(second - first).sum(axis=2) > _APART
    return np.where(apart.any(axis=0), time_fs[apart.argmax(axis=0)], np.nan)


def in_words(times: Float[np.ndarray, "traj"], *, most: int = 6) -> str:
    """Return which pairs part and when, the first ones by number."""
    some = np.flatnonzero(np.isfinite(times))
    if not len(some):
        return f"none of {len(times)} pairs"
    order = some[np.argsort(times[some], kind="stable")]
    named = ", ".join(f"{number} at {times[number]:.4g} fs" for number in order[:most].tolist())
    words = f"{len(some)} of {len(times)} pairs, in the median at {np.median(times[some]):.4g} fs: {named}"
    return words + f" and {len(order) - most} more" * (len(order) > most)
