"""Blocks of a fixed width: what makes the bits of a row independent of its batch."""

from collections.abc import Callable

import torch
from torch import Tensor

from nadyn.models.model import Model


def in_blocks(width: int, function: Callable[..., tuple[Tensor, ...]], *arrays: Tensor) -> tuple[Tensor, ...]:
    """Apply a function to blocks of exactly `width` rows and join the results.

    The last block is filled up by repeating its last row. Kernels choose their arithmetic by shape, so
    only a fixed shape makes the numbers of a row independent of how many other rows there are. Devices other
    than the processor promise no bits, and fill up nothing.
    """
    n_rows = len(arrays[0])
    fills_up = arrays[0].device.type == "cpu"
    parts = []
    for start in range(0, n_rows, width):
        rows = [array[start : start + width] for array in arrays]
        missing = width - len(rows[0])
        if missing and fills_up:
            rows = [torch.cat([row, row[-1:].expand(missing, *row.shape[1:])]) for row in rows]
        parts.append(function(*rows))
    if len(parts) == 1:
        return tuple(result[:n_rows] for result in parts[0])
    return tuple(torch.cat(results)[:n_rows] for results in zip(*parts, strict=True))


def in_blocks_of(
    model: Model, function: Callable[..., tuple[Tensor, ...]], *arrays: Tensor
) -> tuple[Tensor, ...]:
    """Apply a function that evaluates a model and treats each row alike, in the blocks that the model wants.

    Args:
        model: Any model.
        function: Of as many arrays as are given; the bits of a row of its results must not depend on the
            number of rows but through the model.
        arrays: With one row a trajectory.
    """
    most = getattr(model, "rows_at_once", None)
    if most is None:
        width, least = model.block_width, getattr(model, "shortest_block", None)
        if least is not None:
            width = min(width, max(least, 1 << (len(arrays[0]) - 1).bit_length()))
        return in_blocks(width, function, *arrays)
    if len(arrays[0]) <= most:
        return function(*arrays)
    parts = zip(*(array.split(most) for array in arrays), strict=True)
    return tuple(torch.cat(results) for results in zip(*(function(*rows) for rows in parts), strict=True))
