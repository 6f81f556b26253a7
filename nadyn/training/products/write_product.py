"""Writes the product of two matrices, and of two symmetric ones that commute by half of the work.

A tile of some rows by some vectors of columns of the result stays in registers while it is summed over the
depth. Of the right factor the columns of a tile are packed first, so that what one step of the innermost loop
reads of it lies side by side; of the left one, numbers are read where they are. Each number of the result is
a sum of sums over parts of the depth in their order, whatever the sizes of the matrices are.
"""

from dataclasses import dataclass

from llvmlite import ir

from nadyn.models.kernels.language import INTEGER, POINTER, Array, Code, Shape, Value, Variable

# Steps of the innermost loop that follow each other without a comparison.
_UNROLLED = 4
# So many steps are summed by themselves: one sum over a depth of a thousand would lose half a digit.
_SUMMED = 128


@dataclass(frozen=True)
class Tile:
    """What stays in registers.

    Attributes:
        shape: Precision and lanes.
        rows: Of the result.
        vectors: Of its columns.
    """

    shape: Shape
    rows: int
    vectors: int

    @property
    def columns(self) -> int:
        """How many columns that is."""
        return self.vectors * self.shape.lanes

    def scratch(self, depth: Value | int) -> Value | int:
        """Return how many numbers a product of a depth wants to keep beside its matrices."""
        return (depth + self.rows) * self.columns


def smaller(code: Code, left: Value, right: Value | int) -> Value:
    """Return the smaller one of two integers."""
    right = code.integer(right)
    return code.choose(left.compared("<", right), left, right)


def write_product(module: ir.Module, tile: Tile) -> ir.Function:
    """Write result = factor · left · right + weight · added.

    Arguments: left, right, result, added, and room for `Tile.scratch` numbers; distances in memory of two
    columns and of two rows of left, of two rows and of two columns of right, of which one is 1, of two rows
    of the result, and of two rows of what is added; rows, columns, depth; whether the result is known to be
    symmetric, so that its lower half beside the tiles of the diagonal is left out; whether anything is added;
    factor and weight. Columns of the result and of what is added lie side by side. What is added may be the
    result.
    """
    number = tile.shape.number
    pack = _write_pack(module, tile)
    code = Code(module, "product", (*(POINTER,) * 5, *(INTEGER,) * 11, number, number), tile.shape)
    left, right, result, added, packed = (Array(code, a.ir, number) for a in code.arguments[:5])
    across, down, right_down, right_across, result_down, added_down = code.arguments[5:11]
    n_rows, n_columns, depth, is_half, has_added = code.arguments[11:16]
    weight, factors, weights = code.arguments[17], *map(code.lanes, code.arguments[16:])
    edge = packed.at(depth * tile.columns)
    with code.loop(n_columns, 0, tile.columns) as column:
        width = smaller(code, n_columns - column, tile.columns)
        own = right.at(column * right_across)
        given = [Value(code, one.pointer) for one in (own, packed)]
        code.call(pack, *given, right_down, right_across, depth, width)
        half = smaller(code, column + tile.columns, n_rows)
        with code.loop(code.choose(is_half.compared("!=", 0), half, n_rows), 0, tile.rows) as row:
            # Of rows that are missing, the last one is made again, with the same numbers.
            rows = [smaller(code, row + r, n_rows - 1) for r in range(tile.rows)]
            starts = [left.at(own_row * down) for own_row in rows]
            sums, parts = ([code.zeros(tile.vectors) for _ in rows] for _ in range(2))
            with code.loop(depth, 0, _SUMMED) as start:
                stop = smaller(code, start + _SUMMED, depth)
                unrolled = start + (stop - start) / _UNROLLED * _UNROLLED
                for part in (one for of_row in parts for one in of_row):
                    part.set(code.lanes(0.0))
                with code.loop(unrolled, start, _UNROLLED) as first:
                    for step in range(_UNROLLED):
                        _add(tile, packed, starts, across, first + step, parts)
                with code.loop(stop, unrolled) as k:
                    _add(tile, packed, starts, across, k, parts)
                for of_row, own in zip(sums, parts, strict=True):
                    for total, part in zip(of_row, own, strict=True):
                        total.add(part.get())
            for total in (one for of_row in sums for one in of_row):
                total.set(total.get() * factors)
            with code.where(width.compared("==", tile.columns)):
                with code.where(has_added.compared("!=", 0)):
                    for own_row, of_row in zip(rows, sums, strict=True):
                        place = added.at(own_row * added_down + column).seen_as(tile.shape.vector)
                        for v, total in enumerate(of_row):
                            total.add(weights, place[v])
                for own_row, of_row in zip(rows, sums, strict=True):
                    place = result.at(own_row * result_down + column).seen_as(tile.shape.vector)
                    for v, total in enumerate(of_row):
                        place[v] = total.get()
            with code.where(width.compared("<", tile.columns)):
                vectors = edge.seen_as(tile.shape.vector)
                for r, of_row in enumerate(sums):
                    for v, total in enumerate(of_row):
                        vectors[r * tile.vectors + v] = total.get()
                with code.loop(smaller(code, n_rows - row, tile.rows)) as r, code.loop(width) as k:
                    place = edge.at(r * tile.columns + k)
                    with code.where(has_added.compared("!=", 0)):
                        place[0] = code.fma(weight, added[(row + r) * added_down + column + k], place[0])
                    result[(row + r) * result_down + column + k] = place[0]
    return code.finish()


def _add(
    tile: Tile, packed: Array, starts: list[Array], across: Value, k: Value, sums: list[list[Variable]]
) -> None:
    """Add one step of the depth to the sums."""
    code = packed.code
    vectors = packed.at(k * tile.columns).seen_as(tile.shape.vector)
    of_columns = [vectors[v] for v in range(tile.vectors)]
    place = k * across
    for start, of_row in zip(starts, sums, strict=True):
        x = code.lanes(start[place])
        for total, values in zip(of_row, of_columns, strict=True):
            total.add(values, x)


def _write_pack(module: ir.Module, tile: Tile) -> ir.Function:
    """Write how columns of a matrix are laid side by side, step by step of the depth.

    Arguments: matrix, where they go, distances of two rows and of two columns, of which one is 1, depth, and
    how many columns there are. What comes where columns are missing does not matter, as long as it can be
    read.
    """
    code = Code(module, "pack", (POINTER, POINTER, *(INTEGER,) * 4), tile.shape)
    lanes, vector = tile.shape.lanes, tile.shape.vector
    matrix, packed = (Array(code, argument.ir, tile.shape.number) for argument in code.arguments[:2])
    down, across, depth, width = code.arguments[2:]
    vectors, lie_side_by_side = packed.seen_as(vector), across.compared("==", 1)
    with code.where(lie_side_by_side & width.compared("==", tile.columns)), code.loop(depth) as k:
        row = matrix.at(k * down).seen_as(vector)
        for v in range(tile.vectors):
            vectors[k * tile.vectors + v] = row[v]
    with (
        code.where(lie_side_by_side & width.compared("<", tile.columns)),
        code.loop(depth) as k,
        code.loop(width) as j,
    ):
        packed[k * tile.columns + j] = matrix[k * down + j]
    with code.where(across.compared("!=", 1)):
        whole = depth / lanes * lanes
        for v in range(tile.vectors):
            places = [code.integer(v * lanes + lane) for lane in range(lanes)]
            columns = [matrix.at(smaller(code, place, width - 1) * across) for place in places]
            with code.loop(whole, 0, lanes) as k:
                values = [column.at(k).seen_as(vector)[0] for column in columns]
                for step, value in enumerate(code.transposed(values)):
                    vectors[(k + step) * tile.vectors + v] = value
            with code.loop(depth, whole) as k:
                for place, column in zip(places, columns, strict=True):
                    packed[k * tile.columns + place] = column[k]
    return code.finish()


def write_mirror(module: ir.Module, shape: Shape) -> ir.Function:
    """Write how the upper half of a symmetric matrix becomes the lower one; arguments: matrix, size."""
    code = Code(module, "mirror", (POINTER, INTEGER), shape)
    matrix, size, lanes = Array(code, code.arguments[0].ir, shape.number), code.arguments[1], shape.lanes
    whole = size / lanes * lanes
    with code.loop(whole, 0, lanes) as column, code.loop(column, 0, lanes) as row:
        upper = [matrix.at((row + k) * size + column).seen_as(shape.vector)[0] for k in range(lanes)]
        for k, values in enumerate(code.transposed(upper)):
            matrix.at((column + k) * size + row).seen_as(shape.vector)[0] = values
    with code.loop(size, whole) as column, code.loop(column) as row:
        matrix[column * size + row] = matrix[row * size + column]
    return code.finish()
