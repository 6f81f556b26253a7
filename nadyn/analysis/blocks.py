"""Means of what is correlated in time, with the error that correlation leaves."""

import numpy as np
from jaxtyping import Float

# Fewer blocks say nothing of their spread.
_FEWEST_BLOCKS = 12


def mean_and_error(values: Float[np.ndarray, "frame traj"]) -> tuple[float, float]:
    """Return the mean over frames and trajectories and its standard error.

    The frames of each trajectory are averaged in blocks, longer and longer ones; the error is that of the
    mean of all blocks as if they were independent, the largest found. So it grows with the length of the
    blocks until they are. NaN where there are not enough numbers for two lengths.

    Source: H. Flyvbjerg and H. G. Petersen, J. Chem. Phys. 91, 461 (1989).

    Args:
        values: Of frames at equal distances in time, without the beginning that still remembers the start.
    """
    n_frames, n_traj = values.shape
    if not n_frames:
        return float("nan"), float("nan")
    errors, length = [], 1
    while n_traj * (n_frames // length) >= _FEWEST_BLOCKS and length <= n_frames:
        n = n_frames // length
        blocks = values[: n * length].reshape(n, length, n_traj).mean(axis=1).ravel()
        errors.append(float(blocks.std(ddof=1)) / len(blocks) ** 0.5)
        length *= 2
    return float(values.mean()), max(errors) if len(errors) > 1 else float("nan")
