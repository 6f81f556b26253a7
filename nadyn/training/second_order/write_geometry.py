"""Writes the program of `compiled_geometry`.

A row is an atom of a frame. In a tile of rows, number k of all of them is one vector.
"""

from llvmlite import ir

from nadyn.models.kernels.language import INTEGER, POINTER, Array, Code, Shape, Value
from nadyn.training.second_order.write_tiles import Turns, call_turn, set_rows, table, write_turns

N_HARMONICS = 16


def write_program(real: str, lanes: int) -> ir.Module:
    """Return the program."""
    module, shape = ir.Module("geometry"), Shape(real, lanes)
    turns = write_turns(module, shape)
    for name in ("back", "second"):
        _write(module, shape, turns, name)
    return module


class _Pairs:
    """Tiles of what belongs to the pairs of a group of rows, with the numbers of one slot."""

    def __init__(
        self,
        code: Code,
        turns: Turns,
        n_slots: Value,
        n_radial: Value,
        arrays: list[Array],
        start: Array,
    ):
        self.code, self.n_slots, self.n_radial = code, n_slots, n_radial
        self.turns, self.arrays = turns, arrays
        n = N_HARMONICS
        self.sizes = [n_slots * n_radial, n_slots * n_radial, n_slots * n, n_slots * 3, n_slots * (3 * n)]
        self.tiles, place = [], code.integer(0)
        for size in self.sizes:
            self.tiles.append(start.at(place))
            place = place + size
        self.after = start.at(place)

    def load(self, rows: Array) -> None:
        """Set the tiles."""
        for array, tile, size in zip(self.arrays, self.tiles, self.sizes, strict=True):
            call_turn(self.code, self.turns.load, array, rows, tile, size)

    def radial(self, slot: Value, k: Value) -> tuple[Value, Value]:
        """Return a radial function of a slot and its slope."""
        place = slot * self.n_radial + k
        return self.tiles[0][place], self.tiles[1][place]

    def harmonic(self, slot: Value, c: Value) -> Value:
        """Return a harmonic of a slot."""
        return self.tiles[2][slot * N_HARMONICS + c]

    def gradient(self, x: int, slot: Value, c: Value) -> Value:
        """Return its derivative along an axis."""
        return self.tiles[4][(self.n_slots * x + slot) * N_HARMONICS + c]

    def unit(self, x: int, slot: Value) -> Value:
        """Return a component of the direction of a slot."""
        return self.tiles[3][self.n_slots * x + slot]


def _write(module: ir.Module, shape: Shape, turns: Turns, name: str) -> None:
    """Write a function of: rows, copies, slots, radial functions, inputs, first input of each slot, five
    arrays of pairs, moments, vectors, scratch."""
    code = Code(module, name, (*(INTEGER,) * 5, *(POINTER,) * 9), shape)
    n_rows, n_copies, n_slots, n_radial, n_inputs = code.arguments[:5]
    first_of_slot = Array(code, code.arguments[5].ir, INTEGER)
    arrays = [Array(code, argument.ir, shape.number) for argument in code.arguments[6:]]
    *of_pairs, moments, vectors, scratch = arrays
    pairs = _Pairs(code, turns, n_slots, n_radial, of_pairs, scratch.seen_as(shape.vector))
    n_moments, n_vectors = n_inputs * N_HARMONICS, n_slots * 3
    tile, of_vectors = pairs.after, pairs.after.at(n_moments)
    rows = table(code)
    with code.loop((n_rows + (shape.lanes - 1)) / shape.lanes) as group:
        set_rows(code, rows, group, n_rows)
        pairs.load(rows)
        with code.loop(n_copies) as copy:
            set_rows(code, rows, group, n_rows, copy * n_rows)
            if name == "back":
                call_turn(code, turns.load, moments, rows, tile, n_moments)
                _back(code, pairs, first_of_slot, n_inputs, tile, of_vectors)
                call_turn(code, turns.store, vectors, rows, of_vectors, n_vectors)
            else:
                call_turn(code, turns.load, vectors, rows, of_vectors, n_vectors)
                with code.loop(n_moments) as k:
                    tile[k] = code.lanes(0.0)
                _second(code, pairs, first_of_slot, n_inputs, tile, of_vectors)
                call_turn(code, turns.store, moments, rows, tile, n_moments)
    code.finish()


def _back(
    code: Code, pairs: _Pairs, first_of_slot: Array, n_inputs: Value, moments: Array, vectors: Array
) -> None:
    with code.loop(pairs.n_slots) as slot:
        first = first_of_slot[slot]
        along, *sums = code.zeros(4)
        with code.loop(N_HARMONICS) as c:
            value, change = code.zeros(2)
            with code.loop(pairs.n_radial) as k:
                function, slope = pairs.radial(slot, k)
                cotangent = moments[c * n_inputs + first + k]
                value.add(function, cotangent)
                change.add(slope, cotangent)
            along.add(change.get(), pairs.harmonic(slot, c))
            for x, total in enumerate(sums):
                total.add(value.get(), pairs.gradient(x, slot, c))
        for x, total in enumerate(sums):
            vectors[pairs.n_slots * x + slot] = code.fma(along.get(), pairs.unit(x, slot), total.get())


def _second(
    code: Code, pairs: _Pairs, first_of_slot: Array, n_inputs: Value, moments: Array, vectors: Array
) -> None:
    with code.loop(pairs.n_slots) as slot:
        first = first_of_slot[slot]
        moved = [vectors[pairs.n_slots * x + slot] for x in range(3)]
        along = code.lanes(0.0)
        for x, one in enumerate(moved):
            along = code.fma(one, pairs.unit(x, slot), along)
        with code.loop(N_HARMONICS) as c:
            stretched, turned = along * pairs.harmonic(slot, c), code.lanes(0.0)
            for x, one in enumerate(moved):
                turned = code.fma(one, pairs.gradient(x, slot, c), turned)
            with code.loop(pairs.n_radial) as k:
                function, slope = pairs.radial(slot, k)
                place = c * n_inputs + first + k
                moments[place] = code.fma(turned, function, code.fma(stretched, slope, moments[place]))
