"""Sums and arrays of lanes: small parts that several kernels write."""

from nadyn.models.kernels.language import Array, Code, Value


def tile_of(n: int) -> int:
    """Return how many sums are made at once, so that none waits for itself."""
    return next(size for size in (4, 3, 2, 1) if n % size == 0)


def dot(code: Code, left: list[Value], right: list[Value]) -> Value:
    """Return Σ a b."""
    total = left[0] * right[0]
    for a, b in zip(left[1:], right[1:], strict=True):
        total = code.fma(a, b, total)
    return total


def cleared(code: Code, array: Array, size: Value | int) -> Array:
    """Set an array to zero and return it."""
    with code.loop(size) as k:
        array[k] = code.lanes(0.0)
    return array
