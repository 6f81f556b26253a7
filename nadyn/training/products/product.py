"""Products of matrices without a graph, by machine code where that is quicker than torch."""

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.training.products.compiled import compiled
from nadyn.training.second_order.machine_code import REALS, can_compile

# So many multiplications take as long as calling for them.
_FEW = 2**18


def is_served(matrix: Tensor) -> bool:
    """Tell whether there is machine code for a matrix; it knows one thread, torch all that it may use."""
    return torch.get_num_threads() == 1 and can_compile(matrix.device, matrix.dtype)


def product(
    left: Float[Tensor, "row depth"],
    right: Float[Tensor, "depth column"],
    *,
    bias: Float[Tensor, "column"] | None = None,
) -> Float[Tensor, "row column"]:
    """Return left · right, plus a bias in every row."""
    if not _is_worth_it(left, right):
        return left @ right if bias is None else torch.addmm(bias, left, right)
    result = left.new_empty((left.shape[0], right.shape[1]))
    _call(left, right, result, None if bias is None else bias.contiguous(), 0)
    return result


def add_product(
    result: Float[Tensor, "row column"],
    left: Float[Tensor, "row depth"],
    right: Float[Tensor, "depth column"],
) -> None:
    """Add left · right to a matrix, in place."""
    if not _is_worth_it(left, right) or result.stride(1) != 1:
        result.addmm_(left, right)
        return
    _call(left, right, result, result, result.stride(0))


def _is_worth_it(left: Tensor, right: Tensor) -> bool:
    return left.shape[0] * left.shape[1] * right.shape[1] > _FEW and is_served(left)


def _call(left: Tensor, right: Tensor, result: Tensor, added: Tensor | None, added_down: int) -> None:
    if 1 not in right.stride():
        right = right.contiguous()
    found = compiled(REALS[left.dtype])
    (n_rows, depth), n_columns = left.shape, right.shape[1]
    room = left.new_empty(found.scratch(depth))
    matrices = (left, right, result, result if added is None else added, room)
    found.product(
        *(one.data_ptr() for one in matrices),
        *left.stride()[::-1],
        *right.stride(),
        result.stride(0),
        added_down,
        n_rows,
        n_columns,
        depth,
        0,
        int(added is not None),
        1.0,
        1.0,
    )
