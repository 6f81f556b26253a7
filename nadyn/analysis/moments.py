"""Points of a figure that lead to a moment of a trajectory: in the report a click shows its geometry."""

import numpy as np
from jaxtyping import Int
from matplotlib.collections import PathCollection


def moment(trajectory: int, step: int | None = None) -> str:
    """Return the address of a moment in the report, such as `#t12s340`; without a step, of a trajectory.

    Args:
        trajectory: As numbered in the run, from 0.
        step: Of the run, as in the hop table; frames are `write_every` steps apart.
    """
    return f"#t{int(trajectory)}" + ("" if step is None else f"s{int(step)}")


def lead_to_moments(
    points: PathCollection,
    trajectories: Int[np.ndarray, "point"],
    steps: Int[np.ndarray, "point"],
) -> PathCollection:
    """Make each point of a scatter lead to its moment, and return the scatter.

    Args:
        points: What `Axes.scatter` returns.
        trajectories: Of each point, in the order in which they were given.
        steps: Of each point.
    """
    # Thousands of points, each in a clip of its own, would be drawn slowly; their axes hold all of them.
    points.set_clip_on(False)
    links = [moment(t, s) for t, s in zip(trajectories.tolist(), steps.tolist(), strict=True)]
    # With one link a single point would be drawn as a marker, to which matplotlib 3.8 gives none.
    points.set_urls(links * 2 if len(links) == 1 else links)
    return points
