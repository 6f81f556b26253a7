"""Products of small matrices whose bits do not depend on the batch."""

from jaxtyping import Shaped

from nadyn.electronic.small_arrays import Array, rearranged


def product(
    left: Shaped[Array, "row k traj"], right: Shaped[Array, "k column traj"]
) -> Shaped[Array, "row column traj"]:
    """Return the product of two matrices for each trajectory.

    Term by term, because a library may order the sums by the place in the batch.
    """
    result = left[:, 0, None] * right[None, 0]
    for k in range(1, left.shape[1]):
        result = result + left[:, k, None] * right[None, k]
    return result


def trajectories_last(array: Shaped[Array, "traj *others"]) -> Shaped[Array, "*others traj"]:
    """Return the array with its first axis moved to the end, as `product` wants it."""
    return rearranged(array, *range(1, array.ndim), 0)
