"""The functions of `write_product` and `write_orthogonal` as machine code."""

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from nadyn.models.kernels.compiled import host
from nadyn.training.second_order.machine_code import lanes_of, machine_code

# Rows of a tile: more gain nothing on AVX-512, which has registers for them, and cost small matrices time.
_MOST_ROWS = 8
# Coefficients of the quintic iteration; five times bring all singular values between 0.7 and 1.2.
QUINTIC = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5
# After how many iterations a matrix is moved.
_EACH, _SEVERAL = (1,) * ITERATIONS, (2, ITERATIONS - 2)


@dataclass(frozen=True)
class Compiled:
    """The functions; `engine` holds their machine code.

    Attributes:
        product: A product.
        orthogonal: A matrix made orthogonal, moved by each iteration.
        orthogonal_by_squares: The same, moved by several of them at once.
        scratch: Room for numbers that a product of a depth wants.
        scratch_of_orthogonal: The same for a number of rows and of columns.
    """

    product: Callable[..., None]
    orthogonal: Callable[..., None]
    orthogonal_by_squares: Callable[..., None]
    scratch: Callable[[int], int]
    scratch_of_orthogonal: Callable[[int, int], int]
    engine: object


@cache
def compiled(real: str) -> Compiled:
    """Return the machine code; it takes part of a second once."""
    from functools import partial

    from llvmlite import ir

    from nadyn.models.kernels.language import Shape
    from nadyn.training.products.write_orthogonal import Polynomial, scratch, write_orthogonal
    from nadyn.training.products.write_product import Tile, write_mirror, write_product

    own = host()
    tile = Tile(Shape(real, lanes_of(real)), min(own.columns, _MOST_ROWS), own.row_vectors)
    module = ir.Module("products")
    product = write_product(module, tile)
    mirror, ways = write_mirror(module, tile.shape), {"orthogonal": _EACH, "orthogonal_by_squares": _SEVERAL}
    for name, applied_after in ways.items():
        polynomial = Polynomial(QUINTIC, applied_after)
        write_orthogonal(module, tile, name, product, mirror, polynomial)
    engine = machine_code(module)
    number = ctypes.c_float if real == "float" else ctypes.c_double
    pointer, integer = ctypes.c_void_p, ctypes.c_int64
    kinds = {
        "product": (*(pointer,) * 5, *(integer,) * 11, number, number),
        **dict.fromkeys(ways, (*(pointer,) * 3, *(integer,) * 7, number)),
    }
    functions = {
        name: ctypes.CFUNCTYPE(None, *kind)(engine.get_function_address(name)) for name, kind in kinds.items()
    }
    return Compiled(
        **functions, scratch=tile.scratch, scratch_of_orthogonal=partial(scratch, tile), engine=engine
    )
