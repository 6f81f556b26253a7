"""Writes products of moments to invariants, their derivatives, and how these change: for one tile of rows.

Moments are numbered (component, channel), products as in `nadyn.models.encoders.density_moments`: the
distinct elements of the Gram matrices of ranks 1 to 3, then q(v)·T and q(T)·T.
"""

from collections.abc import Callable

import torch

from nadyn.models.encoders.angular import rank_two_matrices
from nadyn.models.kernels.language import Array, Code, Value, Variable

RANKS = ((0, 3), (3, 8), (8, 15))
# What is squared, and its components; tensors are what the squares are multiplied with.
_VECTOR, _TENSOR = RANKS[:2]


def n_grams(n_channels: Value) -> Value:
    """Return the number of distinct elements of the Gram matrices."""
    return n_channels * (n_channels + 1) / 2 * 3


class Tiles:
    """Tiles of moments and of products of one group of rows, and loops over pairs of channels."""

    def __init__(self, code: Code, n_channels: Value, narrow: list[Array], wide: list[Array]):
        self.code, self.n, self.narrow, self.wide = code, n_channels, narrow, wide

    def column(self, tile: Array, components: tuple[int, int], channel: Value) -> list[Value]:
        """Return the components of a channel."""
        return [tile[self.n * z + channel] for z in range(*components)]

    def add(self, tile: Array, components: tuple[int, int], channel: Value, values: list[Value]) -> None:
        """Add to the components of a channel."""
        for z, value in zip(range(*components), values, strict=True):
            place = self.n * z + channel
            tile[place] = tile[place] + value

    def of_grams(self, body: Callable[[tuple[int, int], Value, Value, Value], None]) -> None:
        """Write a body of the components of a rank, two channels and the number of their product."""
        code = self.code
        number = code.variable(code.integer(0))
        for rank in RANKS:
            with code.loop(self.n) as c, code.loop(self.n, c) as d:
                body(rank, c, d, number.get())
                number.add(1)

    def of_squares(self, body: Callable[[tuple[int, int], "_Square", Value, Value], None]) -> None:
        """Write a body of what is squared, its form, a channel, and the number of its first product."""
        matrices = rank_two_matrices()
        cubes = torch.einsum("cxy,dyz,ezx->ecd", matrices, matrices, matrices)
        for half, (components, form) in enumerate(((_VECTOR, matrices), (_TENSOR, cubes))):
            with self.code.loop(self.n) as c:
                first = n_grams(self.n) + (self.n * half + c) * self.n
                body(components, _Square(self.code, form), c, first)


class _Square:
    """A symmetric bilinear form of numbers with five components."""

    def __init__(self, code: Code, form: torch.Tensor):
        self.code = code
        self.entries = [
            (e, x, y, float(form[e, x, y]))
            for e in range(5)
            for x in range(form.shape[1])
            for y in range(x, form.shape[1])
            if abs(float(form[e, x, y])) > 1e-12
        ]

    def values(self, left: list[Value], right: list[Value]) -> list[Value]:
        """Return the form of two arguments."""
        found = [self.code.lanes(0.0)] * 5
        for e, x, y, factor in self.entries:
            product = left[x] * right[y]
            if x != y:
                product = self.code.fma(left[y], right[x], product)
            found[e] = self.code.fma(product, factor, found[e])
        return found

    def slopes(self, cotangents: list[Value], own: list[Value]) -> list[Value]:
        """Return the derivative of Σ_e g_e form_e(a, a) in a."""
        found = [self.code.lanes(0.0)] * len(own)
        for e, x, y, factor in self.entries:
            scaled = cotangents[e] * (2.0 * factor)
            found[x] = self.code.fma(scaled, own[y], found[x])
            if x != y:
                found[y] = self.code.fma(scaled, own[x], found[y])
        return found


def _dot(code: Code, left: list[Value], right: list[Value], start: Value | None = None) -> Value:
    total = code.lanes(0.0) if start is None else start
    for a, b in zip(left, right, strict=True):
        total = code.fma(a, b, total)
    return total


def forward(tiles: Tiles) -> None:
    """Write how products are set from moments."""
    code, (moments,), (result,) = tiles.code, tiles.narrow, tiles.wide

    def gram(rank: tuple[int, int], c: Value, d: Value, number: Value) -> None:
        result[number] = _dot(code, tiles.column(moments, rank, c), tiles.column(moments, rank, d))

    def square(components: tuple[int, int], form: _Square, c: Value, first: Value) -> None:
        own = tiles.column(moments, components, c)
        values = form.values(own, own)
        with code.loop(tiles.n) as d:
            result[first + d] = _dot(code, values, tiles.column(moments, _TENSOR, d))

    tiles.of_grams(gram)
    tiles.of_squares(square)


def back(tiles: Tiles) -> None:
    """Write how cotangents of moments are set from those of products."""
    code, (moments, result), (cotangents,) = tiles.code, tiles.narrow, tiles.wide
    _clear(code, result, tiles.n * 15)

    def gram(rank: tuple[int, int], c: Value, d: Value, number: Value) -> None:
        _add_gram(tiles, result, moments, rank, c, d, cotangents[number])

    def square(components: tuple[int, int], form: _Square, c: Value, first: Value) -> None:
        own = tiles.column(moments, components, c)
        values, sums = form.values(own, own), code.zeros(5)
        with code.loop(tiles.n) as d:
            g = cotangents[first + d]
            for total, other in zip(sums, tiles.column(moments, _TENSOR, d), strict=True):
                total.add(g, other)
            tiles.add(result, _TENSOR, d, [g * value for value in values])
        tiles.add(result, components, c, form.slopes([total.get() for total in sums], own))

    tiles.of_grams(gram)
    tiles.of_squares(square)


def second(tiles: Tiles) -> None:
    """Write how tangents of products, and changes of what `back` gives, are set from those of moments."""
    code, (moments, moved, bend), (cotangents, result) = tiles.code, tiles.narrow, tiles.wide
    _clear(code, bend, tiles.n * 15)

    def gram(rank: tuple[int, int], c: Value, d: Value, number: Value) -> None:
        one, two = (tiles.column(moments, rank, channel) for channel in (c, d))
        moved_one, moved_two = (tiles.column(moved, rank, channel) for channel in (c, d))
        result[number] = _dot(code, one, moved_two, _dot(code, moved_one, two))
        _add_gram(tiles, bend, moved, rank, c, d, cotangents[number])

    def square(components: tuple[int, int], form: _Square, c: Value, first: Value) -> None:
        own, change = (tiles.column(tile, components, c) for tile in (moments, moved))
        values = form.values(own, own)
        moved_values = [2.0 * value for value in form.values(own, change)]
        sums, moved_sums = code.zeros(5), code.zeros(5)
        with code.loop(tiles.n) as d:
            other, moved_other = (tiles.column(tile, _TENSOR, d) for tile in (moments, moved))
            g = cotangents[first + d]
            result[first + d] = _dot(code, values, moved_other, _dot(code, moved_values, other))
            _add_all(sums, g, other)
            _add_all(moved_sums, g, moved_other)
            tiles.add(bend, _TENSOR, d, [g * value for value in moved_values])
        along = form.slopes([total.get() for total in moved_sums], own)
        across = form.slopes([total.get() for total in sums], change)
        tiles.add(bend, components, c, [a + b for a, b in zip(along, across, strict=True)])

    tiles.of_grams(gram)
    tiles.of_squares(square)


def _add_gram(
    tiles: Tiles, target: Array, moments: Array, rank: tuple[int, int], c: Value, d: Value, g: Value
) -> None:
    """Add the derivative of g A_c·A_d in A, of which c and d may be one."""
    one, two = (tiles.column(moments, rank, channel) for channel in (c, d))
    tiles.add(target, rank, c, [g * value for value in two])
    tiles.add(target, rank, d, [g * value for value in one])


def _add_all(totals: list[Variable], factor: Value, values: list[Value]) -> None:
    for total, value in zip(totals, values, strict=True):
        total.add(factor, value)


def _clear(code: Code, tile: Array, size: Value) -> None:
    with code.loop(size) as k:
        tile[k] = code.lanes(0.0)
