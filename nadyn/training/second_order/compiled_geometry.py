"""The functions of `geometry` that are called for every step, as machine code."""

import ctypes
from dataclasses import dataclass
from functools import cache

from jaxtyping import Float, Int
from torch import Tensor

from nadyn.training.second_order.machine_code import REALS, lanes_of, machine_code


@dataclass(frozen=True)
class Compiled:
    """The functions; `engine` holds their machine code."""

    back: object
    second: object
    lanes: int
    engine: object


@cache
def compiled(real: str) -> Compiled:
    """Return the machine code; it takes part of a second once."""

    from nadyn.training.second_order.write_geometry import write_program

    lanes = lanes_of(real)
    engine = machine_code(write_program(real, lanes))
    kind = ctypes.CFUNCTYPE(None, *(ctypes.c_int64,) * 5, *(ctypes.c_void_p,) * 9)
    back, second = (kind(engine.get_function_address(name)) for name in ("back", "second"))
    return Compiled(back, second, lanes, engine)


@dataclass(frozen=True)
class Arrays:
    """What belongs to the pairs of frames of one molecule, and the first input of each slot."""

    radial: Float[Tensor, "frame atom slot radial"]
    slope: Float[Tensor, "frame atom slot radial"]
    harmonics: Float[Tensor, "frame atom slot 16"]
    unit: Float[Tensor, "frame atom 3 slot"]
    gradient: Float[Tensor, "frame atom 3 slot 16"]
    first: Int[Tensor, "slot"]


def pull_back(
    arrays: Arrays, moments: Float[Tensor, "copy frame atom 16 input"]
) -> Float[Tensor, "copy frame atom 3 slot"]:
    """Return the cotangents of the vectors between atoms."""
    shape = (*moments.shape[:3], 3, arrays.unit.shape[-1])
    result = moments.new_empty(shape)
    _call("back", arrays, moments.contiguous(), result)
    return result


def push_forward(
    arrays: Arrays, moved: Float[Tensor, "copy frame atom 3 slot"], n_inputs: int
) -> Float[Tensor, "copy frame atom 16 input"]:
    """Return the tangents of the moments."""
    result = moved.new_empty((*moved.shape[:3], 16, n_inputs))
    _call("second", arrays, result, moved.contiguous())
    return result


def _call(name: str, arrays: Arrays, moments: Tensor, vectors: Tensor) -> None:
    given = [arrays.radial, arrays.slope, arrays.harmonics, arrays.unit, arrays.gradient]
    given = [array.contiguous() for array in given]
    n_copies, n_frames, n_atoms, _, n_inputs = moments.shape
    n_slots, n_radial = arrays.radial.shape[2:]
    if not moments.numel():
        return
    real = REALS[moments.dtype]
    found = compiled(real)
    size = n_slots * (2 * n_radial + 16 + 3 + 48 + 3) + 16 * n_inputs
    scratch = moments.new_empty(size * found.lanes)
    pointers = [array.data_ptr() for array in (arrays.first, *given, moments, vectors, scratch)]
    getattr(found, name)(n_frames * n_atoms, n_copies, n_slots, n_radial, n_inputs, *pointers)
