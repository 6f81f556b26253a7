"""Products of small matrices whose bits do not depend on the batch."""

from torch import Tensor


def product(left: Tensor, right: Tensor) -> Tensor:
    """Return the product over the first two axes, elementwise over all others: trajectories are the last one.

    Term by term, because a library may order the sums by the place in the batch.
    """
    result = left[:, 0, None] * right[None, 0]
    for k in range(1, left.shape[1]):
        result = result + left[:, k, None] * right[None, k]
    return result


def trajectories_last(array: Tensor) -> Tensor:
    """Return the array with its first axis moved to the end, as `product` wants it."""
    return array.movedim(0, -1).contiguous()
