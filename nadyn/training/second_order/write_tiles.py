"""Writes how rows of arrays become tiles: number k of as many rows as there are lanes is one vector."""

from dataclasses import dataclass

from llvmlite import ir

from nadyn.models.kernels.language import INTEGER, POINTER, Array, Code, Shape, Value


@dataclass(frozen=True)
class Turns:
    """Functions that set a tile from rows, and rows from a tile."""

    load: ir.Function
    store: ir.Function


def write_turns(module: ir.Module, shape: Shape) -> Turns:
    """Write both functions of: array, rows, distance of two rows, tile, how many numbers of each."""
    return Turns(_write(module, shape, back=False), _write(module, shape, back=True))


def table(code: Code) -> Array:
    """Return room for an integer a lane."""
    with code.builder.goto_entry_block():
        return Array(code, code.builder.alloca(INTEGER, size=code.shape.lanes), INTEGER)


def set_rows(code: Code, rows: Array, group: Value, n_rows: Value, first: Value | int = 0) -> None:
    """Set the numbers of the rows of a group; where rows are missing, the last one again."""
    with code.loop(code.shape.lanes) as lane:
        row = group * code.shape.lanes + lane
        rows[lane] = code.choose(row.compared("<", n_rows), row, n_rows - 1) + first


def call_turn(code: Code, function: ir.Function, array: Array, rows: Array, tile: Array, size: Value) -> None:
    """Set a tile from whole rows of an array, or the rows from the tile."""
    given = [Value(code, one.pointer) for one in (array, rows, tile)]
    code.call(function, *given[:2], size, given[2], size)


def _write(module: ir.Module, shape: Shape, *, back: bool) -> ir.Function:
    kinds = (POINTER, POINTER, INTEGER, POINTER, INTEGER)
    code = Code(module, "store" if back else "load", kinds, shape)
    lanes, (stride, size) = shape.lanes, (code.arguments[2], code.arguments[4])
    array = Array(code, code.arguments[0].ir, shape.number)
    numbers = Array(code, code.arguments[3].ir, shape.number)
    tile, rows = numbers.seen_as(shape.vector), Array(code, code.arguments[1].ir, INTEGER)
    starts = [array.at(rows[lane] * stride) for lane in range(lanes)]
    n_blocks = size / lanes
    with code.loop(n_blocks) as block:
        first = block * lanes
        places = [start.at(first).seen_as(shape.vector) for start in starts]
        if back:
            columns = code.transposed([tile[first + k] for k in range(lanes)])
            for place, value in zip(places, columns, strict=True):
                place[0] = value
        else:
            for k, value in enumerate(code.transposed([place[0] for place in places])):
                tile[first + k] = value
    # What is left is less than a block.
    with code.loop(size, n_blocks * lanes) as k, code.loop(lanes) as lane:
        one, other = array.at(rows[lane] * stride + k), numbers.at(k * lanes + lane)
        if back:
            one[0] = other[0]
        else:
            other[0] = one[0]
    return code.finish()
