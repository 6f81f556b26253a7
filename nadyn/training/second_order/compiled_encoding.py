"""The functions of `encoding` as machine code, for the rows of one element after the other."""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from nadyn.training.second_order.machine_code import REALS, lanes_of, machine_code


@dataclass(frozen=True)
class Compiled:
    """The functions; `engine` holds their machine code."""

    functions: dict[str, object]
    lanes: int
    engine: object


@cache
def compiled(real: str) -> Compiled:
    """Return the machine code; it takes part of a second once."""
    from nadyn.training.second_order.write_encoding import ARRAYS, FUNCTIONS, write_program

    lanes = lanes_of(real)
    engine = machine_code(write_program(real, lanes))
    kind = ctypes.CFUNCTYPE(None, *(ctypes.c_int64,) * 4, *(ctypes.c_void_p,) * (len(ARRAYS) + 1))
    functions = {name: kind(engine.get_function_address(name)) for name in FUNCTIONS}
    return Compiled(functions, lanes, engine)


def call(
    name: str,
    sizes: Sequence[int],
    mixing: Sequence[Tensor],
    directions: Sequence[Tensor] | None,
    whole: dict[str, Tensor],
    by_row: dict[str, Tensor],
) -> None:
    """Call a function for the rows of each element.

    Args:
        name: Which function.
        sizes: How many rows each element has, which follow each other.
        mixing: Weights (rank, input, channel) of each element, or where the gradient in them is added.
        directions: Weights (rank, channel, direction) of each element.
        whole: Arrays whose rows are named by others.
        by_row: Arrays with these rows.
    """
    from nadyn.training.second_order.write_encoding import ARRAYS

    _, n_inputs, n_channels = mixing[0].shape
    n_directions = 0 if directions is None else directions[0].shape[-1]
    real = REALS[mixing[0].dtype]
    found = compiled(real)
    n_products = 3 * (n_channels * (n_channels + 1) // 2) + 2 * n_channels**2
    n_numbers = 18 * n_inputs + 4 * 15 * n_channels + 2 * n_products
    n_numbers += 8 * n_directions + 3 * n_inputs * n_channels
    scratch = torch.empty(n_numbers * found.lanes, dtype=mixing[0].dtype)
    # Held until the call has returned.
    own = {key: array.contiguous() for key, array in by_row.items()}
    start = 0
    for number, size in enumerate(sizes):
        if size:
            pointers = {key: array.data_ptr() for key, array in whole.items()}
            for key, array in own.items():
                step = array[:1].numel() * array.element_size()
                pointers[key] = array.data_ptr() + start * step
            pointers["mixing"] = mixing[number].data_ptr()
            if directions is not None:
                pointers["directions"] = directions[number].data_ptr()
            given = [pointers.get(key) for key in ARRAYS]
            found.functions[name](size, n_inputs, n_channels, n_directions, *given, scratch.data_ptr())
        start += size
