"""Writes the iteration of Muon, `nadyn.training.orthogonal`, for one matrix.

Everything that an iteration does is a function of the square X Xᵀ of the scaled matrix X, by its smaller
side. All such functions are symmetric and commute, so that half of each product is enough. Where X is much
longer than wide, the function of several iterations is made before it is applied: that is less work, but what
is small in X is very small in its square, and rounding there grows twelvefold with each iteration that is not
applied. After two of them nothing of it is seen.
"""

from dataclasses import dataclass

from llvmlite import ir

from nadyn.models.kernels.language import INTEGER, POINTER, Array, Code, Value, Variable
from nadyn.training.products.write_product import Tile

# Squares are kept in so many places.
_N_SQUARES = 5
_TINY = {"float": 1.1754944e-38, "double": 2.2250738585072014e-308}


def scratch(tile: Tile, n_rows: int, n_columns: int) -> int:
    """Return how many numbers of room the functions want."""
    side, long_side = sorted((n_rows, n_columns))
    return 2 * n_rows * n_columns + _N_SQUARES * side**2 + tile.scratch(long_side)


@dataclass(frozen=True)
class Polynomial:
    """What is written.

    Attributes:
        coefficients: a, b, c of the factor a + b X Xᵀ + c (X Xᵀ)² of an iteration.
        applied_after: Numbers of iterations whose function is made before it is applied.
    """

    coefficients: tuple[float, float, float]
    applied_after: tuple[int, ...]


def write_orthogonal(
    module: ir.Module,
    tile: Tile,
    name: str,
    product: ir.Function,
    mirror: ir.Function,
    polynomial: Polynomial,
) -> ir.Function:
    """Write result = size · orthogonal(matrix).

    Arguments: matrix and result, whose rows follow each other without gaps, room for `scratch` numbers; rows,
    columns, their smaller and their larger number; distances in memory of two numbers along the smaller side
    and along the larger one; whether there are no more rows than columns; size.

    Args:
        module: Where it is written.
        tile: That of the products.
        name: Of the function.
        product: The function of `write_product`.
        mirror: That of `write_mirror`.
        polynomial: The iterations.
    """
    real = tile.shape.number
    code = Code(module, name, (*(POINTER,) * 3, *(INTEGER,) * 7, real), tile.shape)
    matrix, result, scaled = (Array(code, argument.ir, real) for argument in code.arguments[:3])
    n_rows, n_columns, side, long_side, along, across, is_wide, size = code.arguments[3:]
    total = _write_scaled(code, matrix, scaled, n_rows * n_columns)
    area, rest = side * side, scaled.at(n_rows * n_columns * 2)
    root = code.root(total)
    square, factor, *places = (rest.at(area * k) for k in range(_N_SQUARES))
    room = rest.at(area * _N_SQUARES)

    def symmetric(
        left: Array,
        right: Array,
        target: Array,
        scale: Value | float,
        *,
        strides: tuple[Value | int, ...] = (1, side, side, 1),
        depth: Value = side,
        weight: float = 0.0,
        diagonal: float = 0.0,
    ) -> None:
        """Set target = scale · left · right + weight · right + diagonal."""
        given = [Value(code, one.pointer) for one in (left, right, target, right, room)]
        is_added = int(weight != 0.0)
        code.call(product, *given, *strides, side, side, side, side, depth, 1, is_added, scale, weight)
        if diagonal:
            with code.loop(side) as k:
                place = target.at(k * side + k)
                place[0] = place[0] + diagonal
        code.call(mirror, Value(code, target.pointer), side)

    def square_of(source: Array, scale: Value | float) -> None:
        strides = (across, along, across, along)
        symmetric(source, source, square, scale, strides=strides, depth=long_side)

    def factor_into(target: Array) -> None:
        a, b, c = polynomial.coefficients
        symmetric(square, square, target, c, weight=b, diagonal=a)

    def applied(function: Array, source: Array, target: Array, scale: Value | float) -> None:
        """Set target = scale · function · source, by the smaller side of the source."""
        given = [Value(code, one.pointer) for one in (function, source, target, target, room)]
        ends = (n_columns, n_columns, n_rows, n_columns, side, 0, 0, scale, 0.0)
        with code.where(is_wide.compared("!=", 0)):
            code.call(product, *given, 1, side, n_columns, 1, *ends)
        with code.where(is_wide.compared("==", 0)):
            given[:2] = given[1::-1]
            code.call(product, *given, 1, n_columns, side, 1, *ends)

    between, *products = places
    sources = [scaled, scaled.at(n_rows * n_columns)]
    last = len(polynomial.applied_after) - 1
    for number, n_iterations in enumerate(polynomial.applied_after):
        source, other = sources
        square_of(source, 1.0 if number else 1.0 / total)
        for iteration in range(n_iterations):
            so_far, spare = products
            target = factor if iteration else so_far
            factor_into(target)
            if iteration:
                symmetric(factor, so_far, spare, 1.0)
                products.reverse()
            if iteration + 1 < n_iterations:
                symmetric(target, square, between, 1.0)
                symmetric(between, target, square, 1.0)
        scale = size if number == last else code.of_type(1.0, size.ir.type)
        applied(products[0], source, result if number == last else other, scale if number else scale / root)
        sources.reverse()
    return code.finish()


def _write_scaled(code: Code, matrix: Array, scaled: Array, n: Value) -> Value:
    """Set a matrix divided by its largest number, and return the sum of the squares, 1e-30 at least.

    Squares of small numbers would vanish in single precision without it.
    """
    shape = code.shape
    vectors, lanes = matrix.seen_as(shape.vector), shape.lanes
    n_whole = n / lanes
    greatest, rest = code.variable(code.lanes(0.0)), code.variable(_real(code, 0.0))
    with code.loop(n_whole) as k:
        _raise(code, greatest, vectors[k])
    with code.loop(n, n_whole * lanes) as k:
        _raise(code, rest, matrix[k])
    for value in _numbers(code, greatest.get()):
        _raise(code, rest, value)
    floor = _real(code, _TINY[shape.real])
    inverse = 1.0 / code.choose(rest.get().compared(">", floor), rest.get(), floor)
    squares, total = code.variable(code.lanes(0.0)), code.variable(_real(code, 0.0))
    with code.loop(n_whole) as k:
        value = vectors[k] * inverse
        scaled.seen_as(shape.vector)[k] = value
        squares.add(value, value)
    with code.loop(n, n_whole * lanes) as k:
        value = matrix[k] * inverse
        scaled[k] = value
        total.add(value, value)
    for value in _numbers(code, squares.get()):
        total.add(value)
    least = _real(code, 1e-30)
    # What is not a number stays what it is.
    return code.choose(total.get().compared("<", least), least, total.get())


def _raise(code: Code, greatest: Variable, value: Value) -> None:
    """Keep the larger one of a variable and of a value without its sign."""
    size = code.choose(value.compared("<", 0.0), -value, value)
    greatest.set(code.choose(size.compared(">", greatest.get()), size, greatest.get()))


def _numbers(code: Code, lanes: Value) -> list[Value]:
    """Return the number of each lane."""
    places = (ir.Constant(ir.IntType(32), lane) for lane in range(code.shape.lanes))
    return [Value(code, code.builder.extract_element(lanes.ir, place)) for place in places]


def _real(code: Code, value: float) -> Value:
    return Value(code, ir.Constant(code.shape.number, value))
