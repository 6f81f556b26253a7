"""Writes the program of `compiled_encoding`: mixing, products and directions of an element's rows.

In a tile of rows, number k of all of them is one vector. Moments are numbered (component, channel), products
as in `write_products`. All functions have the same arguments, of which each uses some.
"""

from collections.abc import Callable
from dataclasses import dataclass

from llvmlite import ir

from nadyn.models.kernels.language import INTEGER, POINTER, Array, Code, Shape, Value
from nadyn.training.second_order.write_products import RANKS, Tiles, back, forward, n_grams, second
from nadyn.training.second_order.write_tiles import Turns, call_turn, set_rows, table, write_turns

FUNCTIONS = ("encode", "back", "unmix", "second", "mixing")
# Integers: rows, inputs, channels, directions. Then these arrays, and scratch.
ARRAYS = (
    "place",
    "source",
    "mixing",
    "directions",
    "moments",
    "mixed",
    "descriptors",
    "vectors",
    "other_mixed",
    "other_descriptors",
    "other_vectors",
    "bend",
)
N_COMPONENTS, N_HARMONICS = 15, 16
# Components of vectors and tensors, and their ranks.
_N_DIRECTED = 8


def write_program(real: str, lanes: int) -> ir.Module:
    """Return the program."""
    module, shape = ir.Module("encoding"), Shape(real, lanes)
    turns = write_turns(module, shape)
    bodies = (_encode, _back, _unmix, _second, _mixing)
    for name, body in zip(FUNCTIONS, bodies, strict=True):
        _write(module, shape, turns, name, body)
    return module


@dataclass(frozen=True)
class _Group:
    """What a body of a function needs for one group of rows."""

    code: Code
    turns: Turns
    n_rows: Value
    n_inputs: Value
    n_channels: Value
    n_directions: Value
    arrays: dict[str, Array]
    scratch: Array
    number: Value
    rows: Array

    @property
    def size(self) -> Value:
        """Numbers of the moments of a row, after mixing."""
        return self.n_channels * N_COMPONENTS

    @property
    def n_features(self) -> Value:
        """Descriptors of a row."""
        n = self.n_channels
        return self.n_inputs + n_grams(n) + n * n * 2

    def tiles(self, *sizes: Value | int) -> list[Array]:
        """Return tiles of these sizes."""
        found, place = [], self.code.integer(0)
        for size in sizes:
            found.append(self.scratch.at(place))
            place = place + size
        return found

    def elsewhere(self, name: str) -> Array:
        """Return the rows that a table of rows names."""
        named, found = Array(self.code, self.arrays[name].pointer, INTEGER), table(self.code)
        with self.code.loop(self.code.shape.lanes) as lane:
            found[lane] = named[self.rows[lane]]
        return found

    def load(self, name: str, tile: Array, size: Value, rows: Array | None = None) -> None:
        """Set a tile from rows of an array."""
        call_turn(self.code, self.turns.load, self.arrays[name], rows or self.rows, tile, size)

    def store(self, name: str, tile: Array, size: Value, rows: Array | None = None) -> None:
        """Set rows of an array from a tile."""
        call_turn(self.code, self.turns.store, self.arrays[name], rows or self.rows, tile, size)

    def products(self, *narrow: Array, wide: tuple[Array, ...]) -> Tiles:
        """Return what functions of products work on."""
        return Tiles(self.code, self.n_channels, list(narrow), [one.at(self.n_inputs) for one in wide])


def _write(module: ir.Module, shape: Shape, turns: Turns, name: str, body: Callable[[_Group], None]) -> None:
    code = Code(module, name, (*(INTEGER,) * 4, *(POINTER,) * (len(ARRAYS) + 1)), shape)
    integers = code.arguments[:4]
    n_rows, n_inputs, n_channels, _ = integers
    pointers = [Array(code, argument.ir, shape.number) for argument in code.arguments[4:]]
    arrays, scratch = dict(zip(ARRAYS, pointers[:-1], strict=True)), pointers[-1].seen_as(shape.vector)
    rows = table(code)
    with code.loop((n_rows + (shape.lanes - 1)) / shape.lanes) as group:
        set_rows(code, rows, group, n_rows)
        body(_Group(code, turns, *integers, arrays, scratch, group, rows))
    if name == "mixing":
        _sum_of_lanes(code, scratch, arrays["mixing"], n_inputs * n_channels * 3)
    code.finish()


def _encode(group: _Group) -> None:
    code, n_moments, n_directed = group.code, group.n_inputs * N_HARMONICS, group.n_directions * _N_DIRECTED
    moments, mixed, descriptors, vectors = group.tiles(n_moments, group.size, group.n_features, n_directed)
    group.load("moments", moments, n_moments, group.elsewhere("place"))
    _mix(group, moments, mixed)
    _copy(code, moments, descriptors, group.n_inputs)
    forward(group.products(mixed, wide=(descriptors,)))
    _direct(group, mixed, vectors)
    group.store("mixed", mixed, group.size)
    group.store("descriptors", descriptors, group.n_features)
    group.store("vectors", vectors, n_directed)


def _back(group: _Group) -> None:
    n_directed = group.n_directions * _N_DIRECTED
    sizes = (group.size, group.n_features, n_directed, group.size)
    mixed, descriptors, vectors, result = group.tiles(*sizes)
    group.load("mixed", mixed, group.size, group.elsewhere("source"))
    group.load("descriptors", descriptors, group.n_features)
    group.load("vectors", vectors, n_directed)
    back(group.products(mixed, result, wide=(descriptors,)))
    _direct_back(group, vectors, result)
    group.store("other_mixed", result, group.size)


def _unmix(group: _Group) -> None:
    n_moments = group.n_inputs * N_HARMONICS
    moments, mixed, descriptors = group.tiles(n_moments, group.size, group.n_features)
    group.load("other_mixed", mixed, group.size)
    group.load("descriptors", descriptors, group.n_features)
    _copy(group.code, descriptors, moments, group.n_inputs)
    _mix_back(group, mixed, moments)
    group.store("moments", moments, n_moments, group.elsewhere("place"))


def _second(group: _Group) -> None:
    code, n_moments, n_directed = group.code, group.n_inputs * N_HARMONICS, group.n_directions * _N_DIRECTED
    narrow, wide = (group.size,) * 3, (group.n_features,) * 2
    moments, vectors, mixed, moved, bend, descriptors, tangents = group.tiles(
        n_moments, n_directed, *narrow, *wide
    )
    group.load("moments", moments, n_moments, group.elsewhere("place"))
    group.load("mixed", mixed, group.size, group.elsewhere("source"))
    group.load("descriptors", descriptors, group.n_features)
    _mix(group, moments, moved)
    _copy(code, moments, tangents, group.n_inputs)
    second(group.products(mixed, moved, bend, wide=(descriptors, tangents)))
    _direct(group, moved, vectors)
    group.store("other_mixed", moved, group.size)
    group.store("other_descriptors", tangents, group.n_features)
    group.store("other_vectors", vectors, n_directed)
    group.store("bend", bend, group.size)


def _mixing(group: _Group) -> None:
    """Add Σ M_ck Ā_cd of a group to the sums, which come first."""
    code, n, n_moments = group.code, group.n_channels, group.n_inputs * N_HARMONICS
    sums, moments, mixed = group.tiles(group.n_inputs * n * 3, n_moments, group.size)
    with code.where(group.number.compared("==", 0)), code.loop(group.n_inputs * n * 3) as k:
        sums[k] = code.lanes(0.0)
    group.load("moments", moments, n_moments, group.elsewhere("place"))
    group.load("other_mixed", mixed, group.size)
    # Lanes without a row of their own add nothing.
    numbers, lanes = mixed.seen_as(code.shape.number), code.shape.lanes
    with code.loop(lanes) as lane:
        with code.where((group.number * lanes + lane).compared(">=", group.n_rows)):
            with code.loop(group.size) as k:
                numbers[k * lanes + lane] = 0.0
    for number, rank in enumerate(RANKS):
        with code.loop(group.n_inputs) as k:
            own = [moments[group.n_inputs * (c + 1) + k] for c in range(*rank)]
            with code.loop(n) as d:
                place = (group.n_inputs * number + k) * n + d
                total = sums[place]
                for value, c in zip(own, range(*rank), strict=True):
                    total = code.fma(value, mixed[n * c + d], total)
                sums[place] = total


def _sum_of_lanes(code: Code, sums: Array, target: Array, size: Value) -> None:
    """Add to each number of the target the lanes of its sum."""
    numbers, lanes = sums.seen_as(code.shape.number), code.shape.lanes
    with code.loop(size) as k:
        total = target[k]
        for lane in range(lanes):
            total = total + numbers[k * lanes + lane]
        target[k] = total


def _mix(group: _Group, moments: Array, mixed: Array) -> None:
    """Set A_cd = Σ_k M_ck w_kd of each rank."""
    code, n, weights = group.code, group.n_channels, group.arrays["mixing"]
    for number, rank in enumerate(RANKS):
        with code.loop(n) as d:
            sums = code.zeros(rank[1] - rank[0])
            with code.loop(group.n_inputs) as k:
                weight = code.lanes(weights[(group.n_inputs * number + k) * n + d])
                for c, total in zip(range(*rank), sums, strict=True):
                    total.add(weight, moments[group.n_inputs * (c + 1) + k])
            for c, total in zip(range(*rank), sums, strict=True):
                mixed[n * c + d] = total.get()


def _mix_back(group: _Group, mixed: Array, moments: Array) -> None:
    """Set M_ck = Σ_d A_cd w_kd of each rank."""
    code, n, weights = group.code, group.n_channels, group.arrays["mixing"]
    for number, rank in enumerate(RANKS):
        with code.loop(group.n_inputs) as k:
            sums = code.zeros(rank[1] - rank[0])
            with code.loop(n) as d:
                weight = code.lanes(weights[(group.n_inputs * number + k) * n + d])
                for c, total in zip(range(*rank), sums, strict=True):
                    total.add(weight, mixed[n * c + d])
            for c, total in zip(range(*rank), sums, strict=True):
                moments[group.n_inputs * (c + 1) + k] = total.get()


def _direct(group: _Group, mixed: Array, vectors: Array) -> None:
    """Set v_cd = Σ_a A_ca w_ad of the ranks 1 and 2."""
    code, n, weights = group.code, group.n_channels, group.arrays["directions"]
    for number, rank in enumerate(RANKS[:2]):
        with code.loop(group.n_directions) as d:
            sums = code.zeros(rank[1] - rank[0])
            with code.loop(n) as a:
                weight = code.lanes(weights[(n * number + a) * group.n_directions + d])
                for c, total in zip(range(*rank), sums, strict=True):
                    total.add(weight, mixed[n * c + a])
            for c, total in zip(range(*rank), sums, strict=True):
                vectors[group.n_directions * c + d] = total.get()


def _direct_back(group: _Group, vectors: Array, mixed: Array) -> None:
    """Add Σ_d v_cd w_ad to A_ca."""
    code, n, weights = group.code, group.n_channels, group.arrays["directions"]
    for number, rank in enumerate(RANKS[:2]):
        with code.loop(n) as a:
            sums = [code.variable(mixed[n * c + a]) for c in range(*rank)]
            with code.loop(group.n_directions) as d:
                weight = code.lanes(weights[(n * number + a) * group.n_directions + d])
                for c, total in zip(range(*rank), sums, strict=True):
                    total.add(weight, vectors[group.n_directions * c + d])
            for c, total in zip(range(*rank), sums, strict=True):
                mixed[n * c + a] = total.get()


def _copy(code: Code, source: Array, target: Array, size: Value) -> None:
    with code.loop(size) as k:
        target[k] = source[k]
