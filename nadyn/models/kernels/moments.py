"""Sums over neighbours, learned channels, and invariants of one atom; and their derivatives, backwards.

What `encoders.density_moments.DensityMoments` computes, with trajectories as lanes. Sums are held as
(input, 16): fifteen components and, last, the sum without direction. Channels are (channel, 15).
"""

from collections.abc import Callable
from dataclasses import dataclass

from nadyn.models.kernels.language import Array, Code, Value
from nadyn.models.kernels.pairs import N_COMPONENTS, RANKS, Record, record_size
from nadyn.models.kernels.squares import (
    add_derivative_of_tensor_square,
    add_derivative_of_vector_square,
    tensor_square,
    vector_square,
)

N_SUMS = N_COMPONENTS + 1
_CHUNKS = ((0, 5), (5, 10), (10, 15))


@dataclass(frozen=True)
class Held:
    """How channels are held of which there are invariants: numbers of each, ranks, and what is squared."""

    size: int
    ranks: tuple[tuple[int, int], ...]
    squares: tuple[str, ...]


MIXED = Held(N_COMPONENTS, RANKS, ("vector", "tensor"))
# What is heard from neighbours: see `hearing`.
HEARD = Held(8, RANKS[:2], ("vector",))
_SQUARES = {
    "vector": (vector_square, add_derivative_of_vector_square, RANKS[0]),
    "tensor": (tensor_square, add_derivative_of_tensor_square, RANKS[1]),
}

Write = Callable[[Value], None]
Read = Callable[[], Value]


def add_to_sums(code: Code, pairs: Array, first: Value, last: Value, sums: Array, n_radial: int) -> None:
    """Set the sums of one element of neighbours from the records of its pairs."""
    size = record_size(n_radial)
    for start, stop in ((0, n_radial - n_radial % 2), (n_radial - n_radial % 2, n_radial)):
        tile = 2 if start == 0 else 1
        if start == stop:
            continue
        with code.loop(stop, start, tile) as k:
            for low, high in _CHUNKS:
                totals = [code.zeros(high - low) for _ in range(tile)]
                alone = code.zeros(tile)
                with code.loop(last, first) as pair:
                    record = Record(pairs.at(pair * size), n_radial)
                    values = [record.values[k + t] for t in range(tile)]
                    for number, component in enumerate(range(low, high)):
                        y = record.components[component]
                        for t in range(tile):
                            totals[t][number].add(values[t], y)
                    if high == N_COMPONENTS:
                        for t in range(tile):
                            alone[t].add(values[t])
                for t in range(tile):
                    row = sums.at((k + t) * N_SUMS)
                    for number, component in enumerate(range(low, high)):
                        row[component] = totals[t][number].get()
                    if high == N_COMPONENTS:
                        row[N_COMPONENTS] = alone[t].get()


def mix(code: Code, sums: Array, mixing: Array, mixed: Array, n_inputs: Value, n_channels: int) -> None:
    """Set the channels: for each rank a product of the mixing matrix and the sums."""

    def row_of(k: Value, c: Value, rank: int) -> Value:
        return mixing[(n_inputs * rank + k) * n_channels + c]

    for rank, components in enumerate(RANKS):
        _small_product(
            code,
            components,
            n_outer=n_channels,
            n_inner=n_inputs,
            weight=lambda c, k, rank=rank: row_of(k, c, rank),
            source=lambda k: sums.at(k * N_SUMS),
            target=lambda c: mixed.at(c * N_COMPONENTS),
            even_outer=n_channels % 4 == 0,
        )


def mix_back(
    code: Code, dmixed: Array, mixing: Array, dsums: Array, n_inputs: Value, n_channels: int
) -> None:
    """Set the derivatives in the sums from those in the channels."""
    for rank, components in enumerate(RANKS):
        _small_product(
            code,
            components,
            n_outer=n_inputs,
            n_inner=code.integer(n_channels),
            weight=lambda k, c, rank=rank: mixing[(n_inputs * rank + k) * n_channels + c],
            source=lambda c: dmixed.at(c * N_COMPONENTS),
            target=lambda k: dsums.at(k * N_SUMS),
            even_outer=False,
        )


def _small_product(
    code: Code,
    components: tuple[int, int],
    *,
    n_outer: Value | int,
    n_inner: Value,
    weight: Callable[[Value, Value], Value],
    source: Callable[[Value], Array],
    target: Callable[[Value], Array],
    even_outer: bool,
) -> None:
    """Write target[o] = Σ_i weight(o, i) source[i] for some components, several rows of o at once."""
    low, high = components
    width = high - low
    tile = {3: 4, 5: 2, 7: 2}[width]
    n_outer = code.integer(n_outer)
    whole = n_outer if even_outer else n_outer / tile * tile
    for start, stop, rows in ((0, whole, tile), (whole, n_outer, 1)):
        if even_outer and rows == 1:
            continue
        with code.loop(stop, start, rows) as outer:
            totals = [code.zeros(width) for _ in range(rows)]
            with code.loop(n_inner) as inner:
                values = [source(inner)[component] for component in range(low, high)]
                for t in range(rows):
                    factor = code.lanes(weight(outer + t, inner))
                    for total, value in zip(totals[t], values, strict=True):
                        total.add(factor, value)
            for t in range(rows):
                row = target(outer + t)
                for total, component in zip(totals[t], range(low, high), strict=True):
                    row[component] = total.get()


def write_invariants(code: Code, mixed: Array, n_channels: int, write: Write, held: Held = MIXED) -> None:
    """Write two-, three- and four-body invariants in the order of `DensityMoments`."""
    size = held.size
    for low, high in held.ranks:
        with code.loop(n_channels) as c:
            own = [mixed[c * size + component] for component in range(low, high)]
            with code.loop(n_channels, c) as d:
                write(_dot(code, own, mixed.at(d * size + low)))
    for name in held.squares:
        square, _, (low, high) = _SQUARES[name]
        with code.loop(n_channels) as c:
            own = square(code, [mixed[c * size + component] for component in range(low, high)])
            with code.loop(n_channels) as d:
                write(_dot(code, own, mixed.at(d * size + RANKS[1][0])))


def add_derivatives(
    code: Code, mixed: Array, dmixed: Array, n_channels: int, read: Read, held: Held = MIXED
) -> None:
    """Add to the derivatives in the channels; `read` returns those in one invariant after the other."""
    size = held.size
    for low, high in held.ranks:
        width = high - low
        with code.loop(n_channels) as c:
            own = [mixed[c * size + component] for component in range(low, high)]
            totals = code.zeros(width)
            with code.loop(n_channels, c) as d:
                g = read()
                other, dother = mixed.at(d * size + low), dmixed.at(d * size + low)
                for k in range(width):
                    totals[k].add(g, other[k])
                    dother[k] = code.fma(g, own[k], dother[k])
            row = dmixed.at(c * size + low)
            for k in range(width):
                row[k] = row[k] + totals[k].get()
    for name in held.squares:
        square, add_derivative, (low, high) = _SQUARES[name]
        with code.loop(n_channels) as c:
            own = [mixed[c * size + component] for component in range(low, high)]
            left = square(code, own)
            dleft = code.zeros(5)
            with code.loop(n_channels) as d:
                g = read()
                place = d * size + RANKS[1][0]
                other, dother = mixed.at(place), dmixed.at(place)
                for k in range(5):
                    dleft[k].add(g, other[k])
                    dother[k] = code.fma(g, left[k], dother[k])
            row = dmixed.at(c * size + low)
            add_derivative(code, own, [total.get() for total in dleft], row)


def _dot(code: Code, left: list[Value], right: Array) -> Value:
    total = left[0] * right[0]
    for k in range(1, len(left)):
        total = code.fma(left[k], right[k], total)
    return total
