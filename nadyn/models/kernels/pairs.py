"""A pair of atoms: its functions of distance and direction, and the way back from their derivatives.

Formulas of `encoders.radial` and `encoders.angular`, written out. A record of a pair holds, in lanes of
trajectories: g_k f_c, their slopes, the fifteen components of ranks 1 to 3, 1/r, f_c, its slope, and that of
the repulsion.
"""

import math

from nadyn.models.kernels.exponential import exponential
from nadyn.models.kernels.language import Array, Code, Value, Variable

N_COMPONENTS = 15
# Components of ranks 1, 2 and 3.
RANKS = ((0, 3), (3, 8), (8, 15))
# Numbers before the centres in the table `radial`.
CUTOFF, INVERSE_CUTOFF, DECAY, SCALE, CENTRES = range(5)

_H = 0.5 * math.sqrt(3.0)
_S6, _S10, _S15 = math.sqrt(6.0), math.sqrt(10.0), math.sqrt(15.0)


def record_size(n_radial: int) -> int:
    """Return how many vectors the record of a pair has."""
    return 2 * n_radial + N_COMPONENTS + 4


class Record:
    """Where what is in the memory of one pair."""

    def __init__(self, memory: Array, n_radial: int):
        self.values = memory
        self.slopes = memory.at(n_radial)
        self.components = memory.at(2 * n_radial)
        self.rest = memory.at(2 * n_radial + N_COMPONENTS)


def write_record(
    code: Code, difference: list[Value], r: Value, radial: Array, record: Record, n_radial: int
) -> None:
    """Fill the record of a pair from its vector, in lanes."""
    inverse = 1.0 / r
    x, y, z = unit = [component * inverse for component in difference]
    cut, slope = cutoff(code, r, radial[INVERSE_CUTOFF])
    s = exponential(code, -(r * radial[DECAY])) * radial[SCALE]
    s_slope = -(s * radial[DECAY])
    with code.loop(n_radial) as k:
        distance = s - radial[k + CENTRES]
        gaussian = exponential(code, -(distance * distance))
        record.values[k] = gaussian * cut
        record.slopes[k] = gaussian * code.fma(-2.0 * distance * s_slope, cut, slope)
    for number, value in enumerate((*unit, *_second(code, x, y, z), *_third(code, x, y, z))):
        record.components[number] = value
    for number, value in enumerate((inverse, cut, slope, code.lanes(0.0))):
        record.rest[number] = value


def length(code: Code, difference: list[Value]) -> Value:
    """Return the length of a vector."""
    x, y, z = difference
    return code.root(code.fma(x, x, code.fma(y, y, z * z)))


def cutoff(code: Code, r: Value, inverse_cutoff: Value) -> tuple[Value, Value]:
    """Return the polynomial cutoff function and its slope; both are exactly zero beyond."""
    ratio = r * inverse_cutoff
    ratio = code.choose(ratio.compared(">", 1.0), 1.0, ratio)
    square, rest = ratio * ratio, 1.0 - ratio
    inner = code.fma(ratio, code.fma(ratio, -6.0, code.lanes(15.0)), code.lanes(-10.0))
    value = code.fma(square * ratio, inner, code.lanes(1.0))
    return value, (square * rest) * (rest * -30.0) * inverse_cutoff


def _second(code: Code, x: Value, y: Value, z: Value) -> tuple[Value, ...]:
    x2, y2 = x * (2.0 * _H), y * (2.0 * _H)
    return (
        x2 * y,
        y2 * z,
        code.fma(z * 1.5, z, code.lanes(-0.5)),
        x2 * z,
        code.fma(x, x, -(y * y)) * _H,
    )


def _third(code: Code, x: Value, y: Value, z: Value) -> tuple[Value, ...]:
    xx, yy, zz = x * x, y * y, z * z
    five = code.fma(zz, 5.0, code.lanes(-1.0)) * (0.25 * _S6)
    return (
        y * code.fma(xx, 3.0, -yy) * (0.25 * _S10),
        x * y * z * _S15,
        y * five,
        z * code.fma(zz, 2.5, code.lanes(-1.5)),
        x * five,
        z * (xx - yy) * (0.5 * _S15),
        x * code.fma(yy, -3.0, xx) * (0.25 * _S10),
    )


def gradient_of_pair(
    code: Code,
    record: Record,
    slope: Value,
    components: list[Value],
    in_plane: list[Value],
) -> list[Value]:
    """Return the derivative in the vector of a pair.

    Args:
        code: What is being written.
        record: The pair.
        slope: Derivative in its distance through functions of distance.
        components: Derivatives in the fifteen components.
        in_plane: Those in the six products of f_c r̂, each once: xx, yy, zz, xy, yz, xz.
    """
    x, y, z = (record.components[k] for k in range(3))
    inverse, cut, cut_slope = (record.rest[k] for k in range(3))
    d = components
    xx, yy, zz = x * x, y * y, z * z
    difference = xx - yy
    five = code.fma(zz, 5.0, code.lanes(-1.0)) * (0.25 * _S6)
    fma, h2 = code.fma, 2.0 * _H
    inner = fma(d[7], x, fma(d[6], z, d[3] * y))
    ux = fma(inner, h2, d[0])
    ux = fma(x * y * (1.5 * _S10), d[8], ux)
    ux = fma(y * z * _S15, d[9], ux)
    ux = fma(five, d[12], ux)
    ux = fma(z * x * _S15, d[13], ux)
    ux = fma(difference * (0.75 * _S10), d[14], ux)
    inner = fma(-d[7], y, fma(d[4], z, d[3] * x))
    uy = fma(inner, h2, d[1])
    uy = fma(difference * (0.75 * _S10), d[8], uy)
    uy = fma(x * z * _S15, d[9], uy)
    uy = fma(five, d[10], uy)
    uy = fma(-(z * y) * _S15, d[13], uy)
    uy = fma(-(x * y) * (1.5 * _S10), d[14], uy)
    inner = fma(d[6], x, d[4] * y)
    uz = fma(inner, h2, d[2])
    uz = fma(z * 3.0, d[5], uz)
    uz = fma(x * y * _S15, d[9], uz)
    uz = fma(y * z * (2.5 * _S6), d[10], uz)
    uz = fma(fma(zz, 7.5, code.lanes(-1.5)), d[11], uz)
    uz = fma(x * z * (2.5 * _S6), d[12], uz)
    uz = fma(difference * (0.5 * _S15), d[13], uz)
    # p = f_c r̂ in the in-plane term: its cotangent is 2 C p.
    c = in_plane
    px, py, pz = x * (cut * 2.0), y * (cut * 2.0), z * (cut * 2.0)
    hx = fma(c[0], px, 0.5 * fma(c[3], py, c[5] * pz))
    hy = fma(c[1], py, 0.5 * fma(c[3], px, c[4] * pz))
    hz = fma(c[2], pz, 0.5 * fma(c[4], py, c[5] * px))
    along = fma(hx, x, fma(hy, y, hz * z))
    slope = fma(along, cut_slope, slope)
    ux, uy, uz = fma(hx, cut, ux), fma(hy, cut, uy), fma(hz, cut, uz)
    along = fma(ux, x, fma(uy, y, uz * z))
    return [fma(fma(-along, axis, u), inverse, slope * axis) for u, axis in ((ux, x), (uy, y), (uz, z))]


def add_in_plane(code: Code, record: Record, sums: list[Variable]) -> None:
    """Add the six products of f_c r̂ of a pair."""
    cut = record.rest[1]
    x, y, z = (record.components[k] * cut for k in range(3))
    for total, (a, b) in zip(sums, ((x, x), (y, y), (z, z), (x, y), (y, z), (x, z)), strict=True):
        total.add(a, b)
