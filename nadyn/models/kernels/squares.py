"""v v and T T of a vector or a tensor, as five components of rank 2, and their derivatives.

The five components are those of `encoders.angular.rank_two_matrices`: xy, yz, zz, xz, xx - yy.
"""

import math

from nadyn.models.kernels.language import Array, Code, Value

_H = 0.5 * math.sqrt(3.0)


def vector_square(code: Code, v: list[Value]) -> list[Value]:
    """Return v·M_c·v."""
    x, y, z = v
    return _components(code, x * x, y * y, z * z, x * y, y * z, x * z)


def add_derivative_of_vector_square(code: Code, v: list[Value], g: list[Value], target: Array) -> None:
    """Add Σ_c g_c d(v·M_c·v)/dv to three numbers in memory."""
    x, y, z = v
    fma, h = code.fma, 2.0 * _H
    target[0] = fma(fma(g[0], y, fma(g[3], z, g[4] * x)), h, fma(-g[2], x, target[0]))
    target[1] = fma(fma(g[0], x, fma(g[1], z, -(g[4] * y))), h, fma(-g[2], y, target[1]))
    target[2] = fma(fma(g[1], y, g[3] * x), h, fma(2.0 * g[2], z, target[2]))


def tensor_square(code: Code, t: list[Value]) -> list[Value]:
    """Return tr(T T M_c) with T = Σ_c t_c M_c."""
    fma = code.fma
    xx, yy, zz, xy, yz, xz = _matrix(code, t)
    return _components(
        code,
        fma(xx, xx, fma(xy, xy, xz * xz)),
        fma(xy, xy, fma(yy, yy, yz * yz)),
        fma(xz, xz, fma(yz, yz, zz * zz)),
        fma(xx, xy, fma(xy, yy, xz * yz)),
        fma(xy, xz, fma(yy, yz, yz * zz)),
        fma(xx, xz, fma(xy, yz, xz * zz)),
    )


def add_derivative_of_tensor_square(code: Code, t: list[Value], g: list[Value], target: Array) -> None:
    """Add Σ_c g_c d tr(T T M_c)/dt to five numbers in memory."""
    fma = code.fma
    xx, yy, zz, xy, yz, xz = _matrix(code, t)
    # With G = Σ g_c M_c the derivative in T is T G + G T.
    gxx, gyy, gzz, gxy, gyz, gxz = _matrix(code, g)
    dxx = 2.0 * fma(gxx, xx, fma(gxy, xy, gxz * xz))
    dyy = 2.0 * fma(gyy, yy, fma(gxy, xy, gyz * yz))
    dzz = 2.0 * fma(gzz, zz, fma(gyz, yz, gxz * xz))
    dxy = fma(gxx + gyy, xy, fma(gxy, xx + yy, fma(gyz, xz, gxz * yz)))
    dyz = fma(gyy + gzz, yz, fma(gyz, yy + zz, fma(gxy, xz, gxz * xy)))
    dxz = fma(gxx + gzz, xz, fma(gxz, xx + zz, fma(gxy, yz, gyz * xy)))
    target[0] = fma(dxy, 2.0 * _H, target[0])
    target[1] = fma(dyz, 2.0 * _H, target[1])
    target[2] = target[2] + fma(dxx + dyy, -0.5, dzz)
    target[3] = fma(dxz, 2.0 * _H, target[3])
    target[4] = fma(dxx - dyy, _H, target[4])


def _matrix(code: Code, t: list[Value]) -> tuple[Value, ...]:
    """Return xx, yy, zz, xy, yz, xz of Σ_c t_c M_c."""
    return (
        code.fma(t[4], _H, t[2] * -0.5),
        code.fma(t[4], -_H, t[2] * -0.5),
        t[2],
        t[0] * _H,
        t[1] * _H,
        t[3] * _H,
    )


def _components(code: Code, xx: Value, yy: Value, zz: Value, xy: Value, yz: Value, xz: Value) -> list[Value]:
    """Return tr(N M_c) of a symmetric matrix N."""
    return [
        xy * (2.0 * _H),
        yz * (2.0 * _H),
        code.fma(xx + yy, -0.5, zz),
        xz * (2.0 * _H),
        (xx - yy) * _H,
    ]
