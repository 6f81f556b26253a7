"""exp(x) of every lane, and the activation made from it."""

from llvmlite import ir

from nadyn.models.kernels.language import Code, Value

# exp(x) = 2^n exp(r): n is the integer next to x / ln 2. ln 2 comes in two parts, the first of few digits.
_INVERSE_LOG = 1.4426950408889634
_SINGLE = {
    "magic": 12582912.0,
    "log": (0.693359375, -2.12194440e-4),
    # Minimax of exp(r) - 1 - r over r², from Cephes: 1 to 2 units in the last place.
    "series": (
        1.9875691500e-4,
        1.3981999507e-3,
        8.3334519073e-3,
        4.1665795894e-2,
        1.6666665459e-1,
        5.0000001201e-1,
    ),
    "bias": 127,
    "mantissa": 23,
    "range": (-87.0, 88.0),
}
_FACTORIALS = [1.0]
for _n in range(1, 15):
    _FACTORIALS.append(_FACTORIALS[-1] * _n)
_DOUBLE = {
    "magic": 6755399441055744.0,
    "log": (0.6931471803691238, 1.9082149292705877e-10),
    # Taylor: the next term is below 1e-17 for |r| up to ln(2)/2.
    "series": tuple(1.0 / _FACTORIALS[n] for n in range(13, 1, -1)),
    "bias": 1023,
    "mantissa": 52,
    "range": (-700.0, 700.0),
}


def exponential(code: Code, x: Value) -> Value:
    """Return exp(x); NaN stays NaN."""
    table = _SINGLE if code.shape.real == "float" else _DOUBLE
    low, high = table["range"]
    x = code.choose(x.compared("<", low), low, x)
    x = code.choose(x.compared(">", high), high, x)
    shifted = code.fma(x, _INVERSE_LOG, code.lanes(table["magic"]))
    n = shifted - table["magic"]
    r = code.fma(n, -table["log"][0], x)
    r = code.fma(n, -table["log"][1], r)
    series = code.lanes(table["series"][0])
    for coefficient in table["series"][1:]:
        series = code.fma(series, r, coefficient)
    series = code.fma(series, r * r, r) + 1.0
    # The lowest bits of the shifted number are n: moved up they are the exponent of 2^n.
    bits = code.builder.bitcast(shifted.ir, code.shape.integers)
    bias = ir.Constant(code.shape.integers, [table["bias"]] * code.shape.lanes)
    shift = ir.Constant(code.shape.integers, [table["mantissa"]] * code.shape.lanes)
    power = code.builder.shl(code.builder.add(bits, bias), shift)
    return series * Value(code, code.builder.bitcast(power, code.shape.vector))


def silu(code: Code, x: Value) -> tuple[Value, Value]:
    """Return x / (1 + exp(-x)) and its derivative."""
    s = 1.0 / (exponential(code, -x) + 1.0)
    y = x * s
    return y, code.fma(y, 1.0 - s, s)
